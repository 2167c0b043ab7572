import { messageOf } from "@raft2kube/std/errors.ts";
import { acceptRemoteCommand } from "@raft2kube/streaming/accept-remote-command.ts";
import type { CommandStreams } from "@raft2kube/streaming/remote-command.ts";
import type { Outcome } from "@raft2kube/streaming/status.ts";
import { type ExecPorts, startOnTerminal, startPlain } from "./client-exec.ts";
import type { StreamHandler } from "./server.ts";

/** Serves one `exec` over a stream: the command runs as long as the client stays. */
export const execHandler =
  (runtime: ExecPorts, id: string, cmd: string[], streams: CommandStreams): StreamHandler =>
  async (request, socket, head) => {
    const options = { streams, clock: runtime.clock };
    const remote = await acceptRemoteCommand(request, socket, head, options);
    if (!remote) return;
    const start = streams.tty ? startOnTerminal : startPlain;
    let outcome: Outcome;
    try {
      outcome = { exitCode: await (await start(runtime, id, { cmd }, remote)).code };
    } catch (error) {
      outcome = { error: messageOf(error) };
    }
    await remote.finish(outcome);
  };
