# Trains one version of a model for each dispatch and stores it. No Docker: `runner` and `workload.wasm` are
# downloaded, checked and started by Nomad's exec driver.
#
#   nomad job run -var-file=cluster.vars.hcl jobs/sales-close-prediction.nomad.hcl
#   jobs/dispatch.sh 7                                     one version
#   runner dispatch sales-close-prediction --versions 1..1000
#
# docs/nomad.md leads from nothing to a stored model. Nomad 1.8 to 2.0.

# ---- Files that are downloaded -------------------------------------------------------------------------------

variable "artifacts" {
  description = "Address of a folder laid out by `just package`, as a client reaches it: https://…, gcs::https://…, s3::https://…"
  type        = string
}

variable "sha256" {
  description = "Digests of the files below `artifacts`, by file name, as in its SHA256SUMS. jobs/variables.sh writes them."
  type        = map(string)
}

variable "architectures" {
  description = "CPU types of the clients, in the words of Nomad's attr.cpu.arch: one runner is downloaded for each, and no other client is used."
  type        = list(string)
  default     = ["amd64", "arm64"]
}

variable "compiled" {
  description = "Download the packaged machine code of the module, one file for each of `architectures`, so that no allocation compiles. False where `artifacts` holds none, or with `cache_volume`."
  type        = bool
  default     = true
}

# ---- Where it runs -------------------------------------------------------------------------------------------

variable "datacenters" {
  description = "Datacenters to train in."
  type        = list(string)
  default     = ["*"]
}

variable "node_pool" {
  description = "The node pool of the clients that jobs/client.hcl configures."
  type        = string
  default     = "training"
}

variable "namespace" {
  description = "The namespace that holds the job and its dispatches. Null: that of `-namespace` or NOMAD_NAMESPACE."
  type        = string
  default     = null
}

variable "lost_after" {
  description = "How long a client may be silent before what it trained is trained elsewhere."
  type        = string
  default     = "10m"
}

variable "count" {
  description = "Models that one dispatch trains, each with a seed of its own and tested on the same rows."
  type        = number
  default     = 1
}

variable "cpu" {
  description = "MHz that task `train` reserves."
  type        = number
  default     = 3054
}

variable "memory" {
  description = "MiB that task `train` may use. The module gets it, less a margin for the runner itself."
  type        = number
  default     = 1024
}

# ---- What may be read ----------------------------------------------------------------------------------------

variable "allow_data" {
  description = "URL prefixes and folders that a dispatch may name as `data_url`. Empty: any public address, and the task's own folders; for a data source in a private network it must be set."
  type        = list(string)
  default     = []
}

variable "data_token" {
  description = "Path of a Nomad Variable whose item `token` is sent to the data source as a bearer token. Empty: none."
  type        = string
  default     = ""
}

variable "data_token_for" {
  description = "The only servers that get that token, such as https://data.example.com. Needed where `allow_data` names several servers: a dispatch would choose among them."
  type        = list(string)
  default     = []
}

variable "data_audience" {
  description = "As `gcp_audience`, for task `train` to read data from a bucket (gs://…, snapshots among them). Empty: no identity token is asked for."
  type        = string
  default     = ""
}

variable "data_credentials" {
  description = "Path of a Nomad Variable whose item `data_creds` is a Google credentials file for reading data from a bucket. Empty: none."
  type        = string
  default     = ""
}

# ---- Where models go -----------------------------------------------------------------------------------------

variable "store" {
  description = "The store of all models: gs://bucket/prefix, file:///store. It wins over the dispatch's gcp_bucket_path; empty: gs://<gcp_bucket_path>."
  type        = string
  default     = ""
}

variable "gcp_audience" {
  description = "Workload Identity Federation: //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER. Empty: no identity token is asked for."
  type        = string
  default     = ""
}

variable "gcp_token_url" {
  description = "Google's Security Token Service, where Nomad's tokens are exchanged, or a private endpoint of it."
  type        = string
  default     = "https://sts.googleapis.com/v1/token"
}

variable "gcp_credentials" {
  description = "Path of a Nomad Variable whose item `gcp_creds` is a Google credentials file, where Workload Identity Federation is not to be had. Empty: none."
  type        = string
  default     = ""
}

# Both of these give rights to everyone who may dispatch (docs/nomad.md). An identity of the job's own, above, gives none.

variable "allow_node_identity" {
  description = "Use the identity of the client's machine (its cloud's metadata server) where no other credentials are given. Then set `allow_data` and `store` too: without them whoever dispatches chooses what is read and written with the machine's rights."
  type        = bool
  default     = false
}

variable "allow_gcp_creds" {
  description = "Take the key of a service account or user from the dispatch (key `gcp_creds`) for task `storeModel_GCP`. Anyone who may read the job can read it."
  type        = bool
  default     = false
}

# ---- Host volumes --------------------------------------------------------------------------------------------

variable "models_volume" {
  description = "Host volume that keeps trained models on the client (as `models` did). Empty: they live in the allocation's folder, and go with it."
  type        = string
  default     = ""
}

variable "store_volume" {
  description = "Host volume that holds a store in a folder. It is mounted where `store` says: file:///srv/models is mounted as /srv/models. Empty: none."
  type        = string
  default     = ""
}

variable "snapshots_volume" {
  description = "Host volume with folder `_data` of such a store, mounted for reading where the store has it, so that a dispatch can name a snapshot. Empty: none."
  type        = string
  default     = ""
}

variable "cache_volume" {
  description = "Host volume for compiled modules, so that only a client's first allocation compiles. Empty: each compiles for itself."
  type        = string
  default     = ""
}

locals {
  # The path of a store in a folder.
  folder = trimprefix(var.store, "file://")
  # Data from there has the digest that it is named after.
  snapshots = var.store
}

# `job_id`, group and task names are those of the pipeline that this one replaces: dashboards and alerts go on.
job "sales-close-prediction" {
  type        = "batch"
  datacenters = var.datacenters
  node_pool   = var.node_pool
  namespace   = var.namespace

  # Only these keys can be dispatched; Nomad refuses any other.
  parameterized {
    # A payload is the specification (pipeline.toml): at most 16 KiB.
    payload       = "optional"
    meta_required = ["save_path", "data_path", "prediction_path", "data_url", "gcp_bucket_path", "model_version"]
    # `points` is how `runner dispatch` deals out the points of a grid.
    meta_optional = ["batch_size", "epochs", "gcp_creds", "points"]
  }

  # A client of another CPU type would have no runner to start.
  constraint {
    attribute = "${attr.cpu.arch}"
    operator  = "regexp"
    value     = "^(${join("|", var.architectures)})$"
  }

  group "trainAndSaveModel" {
    count = var.count

    # Nomad restarts and reschedules on every status but 0 and cannot tell a bad specification from a network that
    # is down. The runner itself retries what is worth it; what it gives up on would fail again.
    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    # A client that goes silent may be restarting, and its training goes on meanwhile: wait before replacing it.
    # If both finish, the store's claim lets only one of them be the model.
    disconnect {
      lost_after = var.lost_after
      replace    = false
      reconcile  = "keep_original"
    }

    # Holds the downloaded files, the dataset, the model and the logs.
    ephemeral_disk {
      size = 1024
    }

    dynamic "volume" {
      for_each = { for name, source in {
        models    = var.models_volume
        store     = var.store_volume
        snapshots = var.snapshots_volume
        cache     = var.cache_volume
      } : name => source if source != "" }
      labels = [volume.key]

      content {
        type      = "host"
        source    = volume.value
        read_only = volume.key == "snapshots"
      }
    }

    # Fetches the data, trains and tests, and leaves the model in a folder that both tasks see. It cannot write to
    # the store, and the module that it runs sees neither network nor secrets.
    task "train" {
      driver = "exec"

      lifecycle {
        hook    = "prestart"
        sidecar = false
      }

      # One for each CPU type: which one a client needs is not known when the job is parsed, and each has its digest.
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

      artifact {
        source      = "${var.artifacts}/workload.wasm"
        destination = "local/${attr.cpu.arch}/workload.wasm"
        mode        = "file"

        options {
          checksum = "sha256:${var.sha256["workload.wasm"]}"
        }
      }

      # Compiled code lies beside its module: the runner takes it only if it was made of that very module.
      dynamic "artifact" {
        for_each = var.compiled ? var.architectures : []

        content {
          source      = "${var.artifacts}/workload-${artifact.value}.cwasm"
          destination = "local/${artifact.value}/workload.cwasm"
          mode        = "file"

          options {
            checksum = "sha256:${var.sha256["workload-${artifact.value}.cwasm"]}"
          }
        }
      }

      dispatch_payload {
        file = "pipeline.toml"
      }

      dynamic "volume_mount" {
        for_each = { for name, source in {
          models    = { source = var.models_volume, destination = "/models" }
          snapshots = { source = var.snapshots_volume, destination = "${local.folder}/_data" }
          cache     = { source = var.cache_volume, destination = "/cache" }
        } : name => source if source.source != "" }

        content {
          volume      = volume_mount.key
          destination = volume_mount.value.destination
          read_only   = volume_mount.key == "snapshots"
        }
      }

      dynamic "template" {
        for_each = var.data_token == "" ? [] : [var.data_token]

        content {
          data        = "{{ with nomadVar \"${template.value}\" }}{{ .token }}{{ end }}"
          destination = "secrets/data.token"
          # The runner reads it once, when it fetches.
          change_mode = "noop"
        }
      }

      # The right to read data in a bucket, and no other: Google tells the tasks apart by the token's subject.
      dynamic "identity" {
        for_each = var.data_audience == "" ? [] : [var.data_audience]

        content {
          name        = "gcp"
          aud         = ["https:${identity.value}"]
          file        = true
          ttl         = "1h"
          change_mode = "noop"
        }
      }

      dynamic "template" {
        for_each = var.data_audience == "" ? [] : [var.data_audience]

        content {
          data = jsonencode({
            type               = "external_account"
            audience           = template.value
            subject_token_type = "urn:ietf:params:oauth:token-type:jwt"
            token_url          = var.gcp_token_url
            credential_source  = { file = "/secrets/nomad_gcp.jwt" }
          })
          destination = "secrets/gcp.json"
          change_mode = "noop"
        }
      }

      dynamic "template" {
        for_each = var.data_credentials == "" ? [] : [var.data_credentials]

        content {
          data        = "{{ with nomadVar \"${template.value}\" }}{{ .data_creds }}{{ end }}"
          destination = "secrets/gcp.json"
          change_mode = "noop"
        }
      }

      env {
        NOMAD_NODE_CLASS = "${node.class}"
      }

      # All else comes from the dispatch, through Nomad's variables.
      config {
        command = "local/runner-${attr.cpu.arch}"
        args = concat(
          # A missed gate is for the second task to record: it is the one that reaches the store.
          ["run", "local/${attr.cpu.arch}/workload.${var.compiled ? "cwasm" : "wasm"}", "--defer-gate"],
          ["--module-sha256", var.sha256["workload.wasm"]],
          flatten([for arch in var.architectures : ["--compiled-sha256", var.sha256["workload-${arch}.cwasm"]] if var.compiled]),
          flatten([for prefix in var.allow_data : ["--allow-data", prefix]]),
          local.snapshots == "" ? [] : ["--snapshots", local.snapshots],
          var.data_token == "" ? [] : ["--data-token-file", "${NOMAD_SECRETS_DIR}/data.token"],
          flatten([for server in var.data_token_for : ["--data-credentials-for", server]]),
          var.data_audience == "" && var.data_credentials == "" ? [] : ["--credentials", "${NOMAD_SECRETS_DIR}/gcp.json"],
          var.allow_node_identity ? ["--allow-node-identity"] : [],
          var.cache_volume == "" ? [] : ["--cache-dir", "/cache"],
          # A folder of its own: the second task pushes all that it finds there.
          var.models_volume == "" ? [] : ["--out", "/models/${NOMAD_ALLOC_ID}"],
        )
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }

      # The runner stops within a second of the signal and takes its working folders with it.
      kill_timeout = "5s"

      # A thousand dispatches leave two thousand pairs of logs: a page or two each, so little is kept of each.
      logs {
        max_files     = 2
        max_file_size = 5
      }
    }

    # Publishes what `train` left: the only task with a right to create objects.
    task "storeModel_GCP" {
      driver = "exec"
      leader = true

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
          models = { source = var.models_volume, destination = "/models" }
          store  = { source = var.store_volume, destination = local.folder }
        } : name => source if source.source != "" }

        content {
          volume      = volume_mount.key
          destination = volume_mount.value.destination
        }
      }

      # Nomad signs a token for this task; Google exchanges it for one of its own. No key is stored anywhere.
      dynamic "identity" {
        for_each = var.gcp_audience == "" ? [] : [var.gcp_audience]

        content {
          name = "gcp"
          aud  = ["https:${identity.value}"]
          file = true
          # Longer than the longest push; a new token would be written to the same file, and read again when needed.
          ttl         = "1h"
          change_mode = "noop"
        }
      }

      dynamic "template" {
        for_each = var.gcp_audience == "" ? [] : [var.gcp_audience]

        content {
          data = jsonencode({
            type               = "external_account"
            audience           = template.value
            subject_token_type = "urn:ietf:params:oauth:token-type:jwt"
            token_url          = var.gcp_token_url
            credential_source  = { file = "/secrets/nomad_gcp.jwt" }
          })
          destination = "secrets/gcp.json"
          change_mode = "noop"
        }
      }

      dynamic "template" {
        for_each = var.gcp_credentials == "" ? [] : [var.gcp_credentials]

        content {
          data        = "{{ with nomadVar \"${template.value}\" }}{{ .gcp_creds }}{{ end }}"
          destination = "secrets/gcp.json"
          change_mode = "noop"
        }
      }

      config {
        command = "local/runner-${attr.cpu.arch}"
        args = concat(
          # By default from $NOMAD_ALLOC_DIR/models to gs://$NOMAD_META_gcp_bucket_path.
          ["push"],
          var.models_volume == "" ? [] : ["/models/${NOMAD_ALLOC_ID}"],
          var.store == "" ? [] : ["--store", var.store],
          var.gcp_audience == "" && var.gcp_credentials == "" ? [] : ["--credentials", "${NOMAD_SECRETS_DIR}/gcp.json"],
          var.allow_node_identity ? ["--allow-node-identity"] : [],
          var.allow_gcp_creds ? ["--allow-gcp-creds"] : [],
        )
      }

      # Uploading waits for the network: it needs little of the processor, and memory for a chunk or two.
      resources {
        cpu    = 100
        memory = 128
      }

      kill_timeout = "5s"

      logs {
        max_files     = 2
        max_file_size = 5
      }
    }
  }
}
