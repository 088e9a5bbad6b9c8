"""The service: pictures in by HTTP, the expressions of their faces out, safe on a hostile network; nothing is stored."""
