# Says of every client in the pool what it lacks for training:
#
#   nomad job run -hcl2-strict=false -var-file=cluster.vars.hcl jobs/doctor.nomad.hcl
#   nomad job status doctor                    an allocation that failed is a client with TROUBLE
#   nomad alloc logs -task runner ALLOCATION   what each found
#   nomad job stop -purge doctor

variable "artifacts" {
  description = "Address of a folder laid out by `just package`, as for the training job."
  type        = string
}

variable "sha256" {
  description = "Digests of the files below `artifacts`, by file name."
  type        = map(string)
}

variable "architectures" {
  description = "CPU types of the clients, in the words of Nomad's attr.cpu.arch."
  type        = list(string)
  default     = ["amd64", "arm64"]
}

variable "datacenters" {
  description = "Datacenters to look at."
  type        = list(string)
  default     = ["*"]
}

variable "node_pool" {
  description = "The node pool to look at."
  type        = string
  default     = "training"
}

variable "namespace" {
  description = "The namespace that holds the job. Null: that of `-namespace` or NOMAD_NAMESPACE."
  type        = string
  default     = null
}

variable "data" {
  description = "Address of the data source: does its server take connections from here? Empty: it is not tried."
  type        = string
  default     = ""
}

variable "store" {
  description = "The store of all models: does its server take connections from here? Empty: it is not tried."
  type        = string
  default     = ""
}

variable "models_volume" {
  description = "Host volume `models`, if the training job has one: may the task write there?"
  type        = string
  default     = ""
}

variable "store_volume" {
  description = "Host volume of a store in a folder, if the training job has one: may the task write there?"
  type        = string
  default     = ""
}

variable "cache_volume" {
  description = "Host volume for compiled modules, if the training job has one: may the task write there, and nobody else?"
  type        = string
  default     = ""
}

job "doctor" {
  # Once on each client.
  type        = "sysbatch"
  datacenters = var.datacenters
  node_pool   = var.node_pool
  namespace   = var.namespace

  # A client of another CPU type would have no runner to start.
  constraint {
    attribute = "${attr.cpu.arch}"
    operator  = "regexp"
    value     = "^(${join("|", var.architectures)})$"
  }

  group "doctor" {
    # What is missing does not come by trying again.
    restart {
      attempts = 0
      mode     = "fail"
    }

    dynamic "volume" {
      for_each = { for name, source in {
        models = var.models_volume
        store  = var.store_volume
        cache  = var.cache_volume
      } : name => source if source != "" }
      labels = [volume.key]

      content {
        type   = "host"
        source = volume.value
      }
    }

    task "runner" {
      driver = "exec"

      dynamic "artifact" {
        for_each = var.architectures

        content {
          source      = "${var.artifacts}/runner-${artifact.value}"
          destination = "local/runner-${artifact.value}"
          mode        = "file"

          options {
            checksum = "sha256:${var.sha256["runner-${artifact.value}"]}"
          }
        }
      }

      dynamic "volume_mount" {
        for_each = { for name, source in {
          models = var.models_volume
          store  = var.store_volume
          cache  = var.cache_volume
        } : name => source if source != "" }

        content {
          volume      = volume_mount.key
          destination = "/${volume_mount.key}"
        }
      }

      config {
        command = "local/runner-${attr.cpu.arch}"
        args = concat(
          ["doctor"],
          var.data == "" ? [] : ["--data", var.data],
          var.store == "" ? [] : ["--store", var.store],
          var.models_volume == "" ? [] : ["--folder", "/models"],
          var.store_volume == "" ? [] : ["--folder", "/store"],
          var.cache_volume == "" ? [] : ["--cache-dir", "/cache"],
        )
      }

      # As little as leaves room for a small training, so that it runs on a client that is busy, too.
      resources {
        cpu    = 100
        memory = 256
      }

      kill_timeout = "5s"

      logs {
        max_files     = 1
        max_file_size = 1
      }
    }
  }
}
