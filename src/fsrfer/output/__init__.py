"""What people and programs are given: tables, drawings, charts, pages."""
