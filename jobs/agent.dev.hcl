# A development agent: server and client in one process, on loopback alone, nothing kept after it ends.
#
#   sudo nomad agent -dev -config=jobs/agent.dev.hcl -config=HOST_VOLUMES
#
# HOST_VOLUMES is a file of your own, as paths in it must be absolute; docs/nomad.md has one.
# The exec driver needs root; it is the only thing here that does.

bind_addr = "127.0.0.1"

# Nothing is reported to anyone.
disable_update_check = true

client {
  # As in jobs/client.hcl, so that the job runs here unchanged.
  node_pool = "training"

  chroot_env = {
    "/etc/passwd"      = "/etc/passwd"
    "/etc/hosts"       = "/etc/hosts"
    "/etc/resolv.conf" = "/etc/resolv.conf"
  }

  # A developer's disk may be nearly full; by default allocations that ended are then removed at once, logs and all.
  gc_disk_usage_threshold  = 99
  gc_inode_usage_threshold = 99

  # The demonstration serves the packaged files on loopback. Nomad's own checks of downloads stay on.
  options = {
    # Cloud metadata addresses are not asked for what kind of machine this is.
    "fingerprint.denylist" = "env_aws,env_azure,env_gce,env_digitalocean"
    "driver.allowlist"     = "exec"
  }
}
