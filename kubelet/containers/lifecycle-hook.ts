import type { Container, LifecycleHandler } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Runtime } from "../cri/runtime.ts";
import { httpTarget } from "../probes/handler-address.ts";
import { httpGet } from "../probes/http-get.ts";

export interface HookTarget {
  container: Container;
  containerId: string;
  podIP: string;
  runtime: Runtime;
  clock: Clock;
  /** Signal that is aborted when the hook is no longer waited for. */
  signal?: AbortSignal | undefined;
}

/** A hook failed: by its exit code or its timeout. */
export class HookError extends Error {
  override readonly name = "HookError";
}

/**
 * Runs a postStart or preStop hook and waits for its end, at most `timeout_ms`. Throws HookError,
 * and any error when the signal aborts. Source: API reference, LifecycleHandler.
 */
export async function runHook(
  handler: LifecycleHandler,
  timeout_ms: number,
  { container, containerId, podIP, runtime, clock, signal }: HookTarget,
): Promise<void> {
  const call = { timeout_ms, ...(signal && { signal }) };
  if (handler.exec) {
    const cmd = handler.exec.command ?? [];
    const timeout = Math.ceil(timeout_ms / 1_000);
    const answer = await runtime.runtime.execSync({ containerId, cmd, timeout }, call);
    if (answer.exitCode === 0) return;
    const output = Buffer.concat([answer.stdout, answer.stderr]).toString("utf8").slice(0, 1_024);
    throw new HookError(`command '${cmd.join(" ")}' exited with ${answer.exitCode}: ${output}`);
  }
  if (handler.httpGet) {
    const target = httpTarget(handler.httpGet, container, podIP);
    // Any status will do (upstream: the same).
    await httpGet(target, { ...call, userAgent: "kube-lifecycle/1.36" });
    return;
  }
  if (handler.sleep) {
    await delay(clock, Math.min(timeout_ms, handler.sleep.seconds * 1_000), signal);
    signal?.throwIfAborted();
    return;
  }
  // No version of the kubelet has run tcpSocket hooks; the API keeps the field for old manifests.
  if (handler.tcpSocket) return;
  throw new HookError("the lifecycle hook has no handler");
}
