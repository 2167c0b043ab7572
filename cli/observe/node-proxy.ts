import { request } from "node:http";
import type { ProxyState } from "@raft2kube/proxy/main.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { nodePaths } from "../spec/paths.ts";

/** How long a proxy may take to apply its rules; a full sync of 10,000 Services takes seconds. */
const RULES_TIMEOUT_MS = 60_000;
/** Syncs in a row that may fail: the proxy repeats the first after 0.5, 1 and 2 s. */
const FAILED_SYNCS_MAX = 4;
/** How long a node's process may take to answer. */
const ANSWER_TIMEOUT_MS = 5_000;
const ANSWER_CHARACTERS_MAX = 64 * 1024;
const ASK_MS = 50;

const tooLong = () => new CodedError("TOO_LONG", "the answer about the proxy is too long");

/** Asks a node's process for the state of its proxy. Rejects where none runs that knows it. */
export function askProxy(node: ClusterConfig): Promise<ProxyState> {
  const { controlSocket: socketPath } = nodePaths(node);
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: "/proxy", signal }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
        if (body.length > ANSWER_CHARACTERS_MAX) response.destroy(tooLong());
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) return resolve(JSON.parse(body) as ProxyState);
        reject(new CodedError("NO_STATE", `node ${node.nodeName} of another release: ${body}`));
      });
    });
    call.on("error", reject);
    call.end();
  });
}

/**
 * Waits until a node's proxy has applied the rules of a mode, and removed those of others, and no
 * sync has failed since. Throws CodedError `RULES` with the proxy's last error after
 * FAILED_SYNCS_MAX syncs that failed in a row or RULES_TIMEOUT_MS; the signal's reason when that
 * aborts.
 */
export async function rulesApplied(
  node: ClusterConfig,
  mode: ModeName,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ask: typeof askProxy = askProxy,
): Promise<void> {
  let last: ProxyState | undefined;
  // Rules that were applied once are not those of now while syncs fail.
  const isDone = (state: ProxyState) => state.isApplied && state.failures === 0;
  const decided = async () => {
    last = await ask(node);
    return last.mode !== mode || isDone(last) || last.failures >= FAILED_SYNCS_MAX;
  };
  const options = { clock, signal, timeout_ms: RULES_TIMEOUT_MS, interval_ms: ASK_MS };
  try {
    await waitFor(`the rules of ${mode}`, decided, options);
  } catch (thrown) {
    if (!isErrno(thrown, "ETIMEDOUT")) throw thrown;
    throw new CodedError("RULES", last?.error ?? messageOf(thrown), { cause: thrown });
  }
  if (last?.mode !== mode) throw new CodedError("RULES", `its process runs in mode ${last?.mode}`);
  if (!isDone(last)) throw new CodedError("RULES", last.error ?? "no sync has succeeded");
}
