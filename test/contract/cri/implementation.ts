import type { ImageServiceMethods, RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { RpcClient } from "@raft2kube/rpc/client.ts";
import type { RuntimeHost } from "./runtime-host.ts";

/** A CRI runtime that serves, with `r2k.local/busybox:1` and `r2k.local/web:1` in it. */
export interface Served {
  runtime: RpcClient<RuntimeServiceMethods>;
  images: RpcClient<ImageServiceMethods>;
  /** Ends the runtime and starts it again on the same state; containers go on. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A runtime that the suite judges. */
export interface Implementation {
  start(host: RuntimeHost): Promise<Served>;
  /** Features that an implementation has or lacks here, for a stated reason. */
  knows: {
    /** Mounts that are read-only with all beneath them: in containerd from 2.0 on. */
    recursiveReadOnly: boolean;
    /** Whether what a pod writes to resolv.conf and the like is bounded: not in containerd. */
    boundedFiles: boolean;
    /** GetContainerEvents: containerd has it from 1.7 on. */
    events: boolean;
    /**
     * Statistics and reasons from cgroups, always: on some machines with a hybrid layout containerd
     * 1.6 finds none.
     */
    cgroups: boolean;
    /** WebSocket v5, which can end standard input: in upstream's server from Kubernetes 1.29 on. */
    webSocketV5: boolean;
    /**
     * Output that an attached process writes just before its end arrives: containerd 1.6 closes the
     * stream at the exit, and lost it in 8 of 60 tries on a busy machine.
     */
    lastWords: boolean;
    /**
     * Output that answers a client's first input arrives: containerd copies input to the process
     * before it adds the client to the receivers of its output, and output in between is lost.
     */
    firstWords: boolean;
    /** Images as volumes: in containerd from 2.1 on. */
    imageVolumes: boolean;
    /** Pods with users of their own: by crun alone, in containerd from 2.0 on. */
    userNamespaces: boolean;
    /** UpdatePodSandboxResources: in containerd from 2.2 on. */
    podResources: boolean;
    /** ListPodSandboxMetrics: in containerd from 2.2 on. */
    metrics: boolean;
    /** Stalls (PSI) of containers: in containerd from 2.3 on. */
    stalls: boolean;
    /** A container of user 65535 may trace the pod's first process, which is that user's too. */
    tracedFirstProcess: boolean;
  };
}
