import type { ImageServiceMethods, RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { RpcClient } from "@raft2kube/rpc/client.ts";
import type { World } from "./world.ts";

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
  start(world: World): Promise<Served>;
  /** Differences in what CRI leaves open, or in what an old peer does not know yet. */
  knows: {
    /** GetContainerEvents and ListPodSandboxStats. */
    events: boolean;
    sandboxStats: boolean;
    /** WebSocket v5, which can end standard input. */
    webSocketV5: boolean;
  };
}
