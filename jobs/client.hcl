# A production client for training. `nomad agent -config=/etc/nomad.d` reads it beside your own file with `data_dir`,
# addresses, TLS and ACL, which are the cluster's and not the job's.

client {
  enabled = true

  # A pool of its own, because `chroot_env` below holds for the whole client: any other job's exec tasks would find
  # neither bash nor libraries here.
  node_pool = "training"

  # Recorded in each model's manifest: name what tells your machines apart.
  node_class = "general"

  # What an exec task finds in its chroot. The default list copies /usr, /bin, /lib: over 20 seconds for each task, and
  # a shell for whoever breaks in. `runner` is static and needs three files.
  chroot_env = {
    # The driver starts tasks as user `nobody`, and looks it up.
    "/etc/passwd" = "/etc/passwd"
    # Names of hosts: data source, store.
    "/etc/hosts"       = "/etc/hosts"
    "/etc/resolv.conf" = "/etc/resolv.conf"
  }

  # The machine's own share: without it, tasks may be given the last of the processor and the memory that Nomad, ssh
  # and the kernel need.
  reserved {
    cpu    = 500  # MHz
    memory = 512  # MiB
    disk   = 2048 # MiB
  }

  # Allocations that ended are removed before they fill the disk: each leaves two runners, a module, a dataset and a
  # model behind.
  gc_interval              = "1m"
  gc_disk_usage_threshold  = 70
  gc_inode_usage_threshold = 70
  gc_max_allocs            = 200

  # Optional, with the job's variable `cache_volume`: compiled modules, shared by the allocations of this client.
  # Compiled code is code: only `nobody` may write there, and no other job of this client should get this volume.
  #   install -d -o nobody -m 0700 /var/lib/runner/cache
  host_volume "cache" {
    path      = "/var/lib/runner/cache"
    read_only = false
  }

  # Optional, with the job's variable `models_volume`: models stay on the client after their allocation is gone.
  #   install -d -o nobody -m 0750 /var/lib/runner/models
  host_volume "models" {
    path      = "/var/lib/runner/models"
    read_only = false
  }
}

# No other driver: a client that trains needs no Docker, and `raw_exec` would run tasks as root.
plugin "raw_exec" {
  config {
    enabled = false
  }
}

# Rates, queue and task ends for a Prometheus that scrapes /v1/metrics.
telemetry {
  publish_allocation_metrics = true
  publish_node_metrics       = true
  prometheus_metrics         = true
}
