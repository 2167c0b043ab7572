import { isErrno } from "@raft2kube/std/errors.ts";
import { acceptRemoteCommand } from "@raft2kube/streaming/accept-remote-command.ts";
import type { CommandStreams } from "@raft2kube/streaming/remote-command.ts";
import { RuntimeError } from "../errors.ts";
import type { Base, Records } from "../ports.ts";
import { join } from "./join.ts";
import type { StreamHandler } from "./server.ts";

/** Serves one `attach` to the container's first process. */
export function attachHandler(
  runtime: Base & Records,
  id: string,
  streams: CommandStreams,
): StreamHandler {
  return async (request, socket, head) => {
    const options = { streams, clock: runtime.clock };
    const remote = await acceptRemoteCommand(request, socket, head, options);
    if (!remote) return;
    const { stdinOnce, tty } = runtime.containers.get(id).config;
    try {
      // The process does not see this end: the client would wait for the process (as containerd).
      await join(runtime, id, remote, { leavesAtEnd: !stdinOnce || tty });
      await remote.finish({ exitCode: 0 });
    } catch (error) {
      const gone = isErrno(error, "ECONNREFUSED", "ENOENT");
      const message = gone ? `container ${id} has ended` : String(error);
      await remote.finish({ error: message });
    }
  };
}

/** Attach needs a running container, with input when input is asked for. */
export function requireAttachable(runtime: Records, id: string, streams: CommandStreams): void {
  const { phase, config } = runtime.containers.get(id);
  if (phase.state !== "running") {
    throw new RuntimeError("failed-precondition", `container ${id} is ${phase.state}, not running`);
  }
  if (streams.stdin && !config.stdin) {
    throw new RuntimeError("invalid-argument", `container ${id} was made without stdin`);
  }
}
