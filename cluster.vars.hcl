artifacts = "http://127.0.0.1:8000"
sha256 = {
  "runner-amd64" = "d074ae99da922e05303b6d71f2c93c70f50b2d3539fe657626c26a587d461f59"
  "workload.wasm" = "57888d864789cbd9995a17492061d4f46145c20fc6cc1d096aee942d99dd15c7"
  "workload-amd64.cwasm" = "f01d410b447341c1dcc9c377e12cdae48bf99c0ea47e91b54c85d1f8d3bf88b5"
}
architectures    = ["amd64"]
store            = "file:///srv/models"
store_volume     = "store"
snapshots_volume = "snapshots"
allow_data       = ["http://127.0.0.1:8000/", "/srv/models/_data"]
cpu              = 500
memory           = 512
