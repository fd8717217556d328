# shellcheck shell=bash
# The cluster's certificate authorities, certificates and kubeconfigs.

openssl_quietly() {
  local output
  output=$(openssl "$@" 2>&1) || die "openssl $1 failed" "$output"
}

make_authority() { # NAME
  openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -keyout "$PKI/$1.key" -out "$PKI/$1.crt" \
    -subj "/CN=$1" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign
}

make_certificate() { # NAME AUTHORITY SUBJECT USAGE [SUBJECT_ALTERNATIVE_NAMES]
  openssl_quietly req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$PKI/$1.key" -out "$PKI/$1.csr" -subj "$3"
  {
    echo keyUsage=digitalSignature
    echo "extendedKeyUsage=$4"
    if [ -n "${5:-}" ]; then echo "subjectAltName=$5"; fi
  } >"$PKI/$1.extensions"
  openssl_quietly x509 -req -in "$PKI/$1.csr" -CA "$PKI/$2.crt" -CAkey "$PKI/$2.key" -CAcreateserial -days 3650 \
    -extfile "$PKI/$1.extensions" -out "$PKI/$1.crt"
}

make_kubeconfig() { # FILE USER SERVER
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: gpuinfer-test
  cluster:
    server: $3
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$2.crt")
    client-key-data: $(base64 -w0 "$PKI/$2.key")
contexts:
- name: gpuinfer-test
  context: {cluster: gpuinfer-test, user: $2}
current-context: gpuinfer-test
YAML
}

make_certificates() {
  mkdir -p "$PKI"
  make_authority ca
  make_authority front-proxy-ca
  make_certificate apiserver ca /CN=kube-apiserver serverAuth \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$NODE_IP,IP:$API_SERVICE_IP"
  make_certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  make_certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
  make_certificate kubelet-server ca "/O=system:nodes/CN=system:node:$NODE" serverAuth "DNS:$NODE,IP:$NODE_IP,IP:127.0.0.1"
  openssl_quietly ecparam -name prime256v1 -genkey -noout -out "$PKI/service-accounts.key"
  openssl_quietly ec -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub"

  make_certificate admin ca /O=system:masters/CN=admin clientAuth
  make_certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" clientAuth
  local component
  for component in kube-controller-manager kube-scheduler kube-proxy; do
    make_certificate "$component" ca "/CN=system:$component" clientAuth
  done
}

make_kubeconfigs() {
  mkdir -p "$KUBECONFIGS"
  local component
  for component in admin kubelet kube-controller-manager kube-scheduler kube-proxy; do
    make_kubeconfig "$KUBECONFIGS/$component" "$component" "https://127.0.0.1:$API_PORT"
  done
  make_kubeconfig "$HOST_KUBECONFIG" admin "https://127.0.0.1:$RELAY_PORT"
}
