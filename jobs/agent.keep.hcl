# One machine that keeps what it has: server and client in one process, on loopback, with a folder for Nomad's state.
#
#   sudo nomad agent -config=jobs/agent.dev.hcl -config=jobs/agent.keep.hcl -config=HOST_VOLUMES
#
# Without `-dev` an agent wants to know what it is and where its state goes; agent.dev.hcl says neither.

data_dir = "/var/lib/nomad"

# By default Nomad looks for an address of the network; everything here is on loopback.
advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}

server {
  enabled          = true
  bootstrap_expect = 1
}

client {
  enabled = true
  servers = ["127.0.0.1"]
}
