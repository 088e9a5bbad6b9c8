"""Whether the service in this container can answer: no curl is needed, and no proxy of the environment is asked."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
