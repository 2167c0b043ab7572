import { basename } from "node:path";
import { type PipedProgram, spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { PLUGIN_STDERR_BYTES, PLUGIN_STDOUT_BYTES } from "../limits.ts";
import { CniError, fromWire } from "./errors.ts";
import type { Invoke, PluginRequest } from "./types.ts";

/** Returns the protocol's environment, with the caller's PATH (plugins call iptables, nft). */
const environmentOf = (request: PluginRequest): Record<string, string> => ({
  PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
  CNI_COMMAND: request.command,
  CNI_CONTAINERID: request.containerId,
  CNI_NETNS: request.netns,
  CNI_IFNAME: request.ifName,
  CNI_ARGS: request.args,
  CNI_PATH: request.path.join(":"),
});

interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Calls plugins by the execution protocol (CNI spec 1.1.0, section 2). */
export function execInvoke(timeout_ms: number): Invoke {
  return async (file, request) => {
    const name = basename(file);
    const ended = await run(file, request, timeout_ms);
    const tail = ended.stderr.trim() ? `; stderr: ${ended.stderr.trim()}` : "";
    if (ended.status === 0) return parseOutput(name, ended.stdout, request.command, tail);
    const error = parseError(ended.stdout);
    if (error) throw fromWire(name, error);
    const how = ended.signal ? `was ended by ${ended.signal}` : `exited with ${ended.status}`;
    throw new CniError("plugin-crashed", `plugin ${name} ${how} in ${request.command}${tail}`);
  };
}

function run(file: string, request: PluginRequest, timeout_ms: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const name = basename(file);
    const env = environmentOf(request);
    // A new process group, so that the plugin's children are killed with it.
    const child = spawnProgram(file, [], { env, detached: true });
    child.on("error", (thrown) => {
      const what = `plugin ${file} cannot be run: ${messageOf(thrown)}`;
      const isMissing = isErrno(thrown, "ENOENT", "EACCES", "ENOEXEC");
      reject(new CniError(isMissing ? "plugin-not-found" : "try-again", what, { cause: thrown }));
    });
    let stdout = "";
    let stderr = "";
    let failure: CniError | undefined;
    const stop = (error: CniError) => {
      failure ??= error;
      stopGroup(child);
    };
    const timer = setTimeout(() => {
      const what = `plugin ${name} did not end ${request.command} within ${timeout_ms} ms`;
      stop(new CniError("plugin-timeout", what));
    }, timeout_ms);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (failure) return;
      stdout += text;
      if (stdout.length > PLUGIN_STDOUT_BYTES) {
        const what = `plugin ${name} printed more than ${PLUGIN_STDOUT_BYTES} bytes`;
        stop(new CniError("plugin-garbage", what));
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-PLUGIN_STDERR_BYTES);
    });
    // A plugin that exits without reading stdin is judged by its status.
    child.stdin.end(JSON.stringify(request.config));
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (failure) reject(failure);
      else resolve({ status, signal, stdout, stderr });
    });
  });
}

/** Kills a plugin's process group and closes its pipes. */
function stopGroup(child: PipedProgram): void {
  child.stdout.destroy();
  child.stderr.destroy();
  const { pid } = child;
  // It may have exited.
  if (pid !== undefined) tolerateSync(() => process.kill(-pid, "SIGKILL"), errno("ESRCH"));
}

/** Parses the output of a command with a result; error "plugin-garbage" if it is not JSON. */
export function parseOutput(name: string, stdout: string, command: string, tail: string): unknown {
  if (stdout.trim() === "") return undefined;
  // Only these two have a result; the output of others is ignored (specification).
  if (command !== "ADD" && command !== "VERSION") return undefined;
  try {
    return JSON.parse(stdout);
  } catch (thrown) {
    const start = JSON.stringify(stdout.slice(0, 200));
    const what = `plugin ${name} printed invalid JSON in ${command}: ${start}${tail}`;
    throw new CniError("plugin-garbage", what, { cause: thrown });
  }
}

function parseError(stdout: string): { code: number; msg: string; details?: string } | undefined {
  try {
    const error = JSON.parse(stdout) as { code?: unknown; msg?: unknown; details?: unknown };
    if (typeof error?.code !== "number" || typeof error.msg !== "string") return undefined;
    const details = typeof error.details === "string" ? { details: error.details } : {};
    return { code: error.code, msg: error.msg, ...details };
  } catch (thrown) {
    // Not JSON: the plugin crashed before it printed an error; the caller reports that.
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}
