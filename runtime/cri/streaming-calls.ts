import type { RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { execToEnd } from "../container/exec-to-end.ts";
import { RuntimeError } from "../errors.ts";
import type { Base, Execs, Programs, Records, Streams } from "../ports.ts";
import { attachHandler, requireAttachable } from "../streaming/attach.ts";
import { execHandler } from "../streaming/exec.ts";
import { portForwardHandler, requireForwardable } from "../streaming/port-forward.ts";
import type { Streamed } from "../streaming/server.ts";

type Asked = { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean };

/** CRI's rules for exec and attach: something must be streamed, and a terminal has one output. */
function streamsOf({ stdin, stdout, stderr, tty }: Asked): Asked {
  if (tty && stderr) {
    throw new RuntimeError("invalid-argument", "tty and stderr cannot both be true");
  }
  if (!stdin && !stdout && !stderr) {
    const message = "one of stdin, stdout, or stderr must be set";
    throw new RuntimeError("invalid-argument", message);
  }
  return { stdin, stdout, stderr, tty };
}

function streamed(runtime: Records, sandboxId: string): Streamed {
  const { metadata } = runtime.sandboxes.get(sandboxId).config;
  return { sandboxId, namespace: metadata?.namespace ?? "" };
}

/** CRI's ExecSync, Exec, Attach and PortForward. */
export const streamingCalls = (
  runtime: Base & Records & Programs & Execs & Streams,
): Handlers<RuntimeServiceMethods> => ({
  execSync: ({ containerId, cmd, timeout }, { signal }) =>
    execToEnd(runtime, containerId, cmd, timeout, signal),
  async exec(request) {
    const { containerId: id, cmd } = request;
    const { phase, sandboxId } = runtime.containers.get(id);
    if (phase.state !== "running") {
      throw new RuntimeError("failed-precondition", `container ${id} is not running`);
    }
    const streams = streamsOf(request);
    const handler = execHandler(runtime, id, cmd, streams);
    return { url: runtime.streaming.offer("exec", streamed(runtime, sandboxId), handler) };
  },
  async attach(request) {
    const streams = streamsOf(request);
    requireAttachable(runtime, request.containerId, streams);
    const handler = attachHandler(runtime, request.containerId, streams);
    const { sandboxId } = runtime.containers.get(request.containerId);
    return { url: runtime.streaming.offer("attach", streamed(runtime, sandboxId), handler) };
  },
  async portForward({ podSandboxId, port }) {
    requireForwardable(runtime, podSandboxId);
    const of = streamed(runtime, podSandboxId);
    const handler = portForwardHandler(runtime, of, port);
    return { url: runtime.streaming.offer("portforward", of, handler) };
  },
});
