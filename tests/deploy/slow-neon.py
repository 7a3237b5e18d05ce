#!/usr/bin/env python3
"""Neon's API as far as a drain needs it: a list of projects at once, and one project after SECONDS. Prints its port."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROJECT = {"id": "quiet-sun-12345678", "name": "shop"}


class Neon(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.endswith(PROJECT["id"]):
            time.sleep(float(sys.argv[1]))
        body = json.dumps({"project": PROJECT, "projects": [PROJECT], "branches": [], "pagination": {}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Neon)
print(server.server_address[1], flush=True)
server.serve_forever()
