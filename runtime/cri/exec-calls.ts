import type { RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { execSync } from "../container/exec-sync.ts";
import type { Runtime } from "../runtime.ts";

/** CRI's calls that run commands and open streams. */
export function execCalls(runtime: Runtime): Handlers<RuntimeServiceMethods> {
  return {
    execSync: ({ containerId, cmd, timeout }) => execSync(runtime, containerId, cmd, timeout),
  };
}
