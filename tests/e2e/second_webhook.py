"""Another mutating webhook: adds to every pod a container that asks for a GPU, as a sidecar injector would. Runs next to the API server.

  second_webhook.py PORT CERTIFICATE_AND_KEY.pem
"""

import base64
import http.server
import json
import ssl
import sys

SIDECAR = {"name": "late", "image": "registry.k8s.io/pause:3.10.1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        response = {"uid": request["uid"], "allowed": True}
        names = [container["name"] for container in request["object"]["spec"]["containers"]]
        if SIDECAR["name"] not in names:
            patch = [{"op": "add", "path": "/spec/containers/-", "value": SIDECAR}]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
