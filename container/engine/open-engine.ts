import type { OpenRuntime } from "@raft2kube/runtime/open.ts";
import type { Containers } from "./containers.ts";
import type { Host } from "./host.ts";
import type { Networks } from "./networks.ts";
import type { Volumes } from "./volumes.ts";

/** The containers, images, volumes and networks, while no other command changes them. */
export interface Engine {
  readonly host: Host;
  readonly runtime: OpenRuntime;
  readonly containers: Containers;
  readonly networks: Networks;
  readonly volumes: Volumes;
}
