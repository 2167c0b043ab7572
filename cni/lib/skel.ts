import { asError, CodedError } from "@raft2kube/std/errors.ts";
import { CONFIG_BYTES, PLUGIN_TIMEOUT_MS } from "../limits.ts";
import { CniError } from "./errors.ts";
import { execInvoke } from "./exec.ts";
import { requireContainerId, requireIfName, requireNetworkName } from "./names.ts";
import { parseResult, resultForVersion } from "./result.ts";
import type {
  CniResult,
  Command,
  Invoke,
  PluginConfig,
  PluginRequest,
  ValidAttachment,
} from "./types.ts";
import { atLeast, CNI_VERSIONS, type CniVersion, isCniVersion, LATEST_VERSION } from "./version.ts";

/** A call with a validated environment and configuration. */
export interface PluginCall extends PluginRequest {
  network: string;
  version: CniVersion;
  prevResult: CniResult | undefined;
  /** Calls another plugin. */
  invoke: Invoke;
}

/**
 * A plugin: one function per command. Errors other than CniError are reported as internal.
 */
export interface CniPlugin {
  readonly name: string;
  add(call: PluginCall): Promise<CniResult>;
  /** Idempotent: succeeds if there is nothing to delete. */
  del(call: PluginCall): Promise<void>;
  check(call: PluginCall): Promise<void>;
  status(call: PluginCall): Promise<void>;
  gc(call: PluginCall, valid: ValidAttachment[]): Promise<void>;
}

const COMMANDS: readonly string[] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];

/**
 * Validates one request, calls the plugin's function of the command, and resolves with the result
 * in the configuration's version. Rejects with CniError.
 */
export async function dispatch(
  plugin: CniPlugin,
  request: PluginRequest,
  invoke: Invoke,
): Promise<unknown> {
  if (request.command === "VERSION") {
    const { cniVersion } = request.config;
    return { cniVersion: cniVersion ?? LATEST_VERSION, supportedVersions: [...CNI_VERSIONS] };
  }
  const call = callOf(request, invoke);
  try {
    switch (call.command) {
      case "ADD":
        return resultForVersion(await plugin.add(call), call.version);
      case "DEL":
        return await plugin.del(call);
      case "CHECK":
        requireVersion(call, "0.4.0");
        requirePrevResult(call);
        return await plugin.check(call);
      case "STATUS":
        requireVersion(call, "1.1.0");
        return await plugin.status(call);
      case "GC":
        requireVersion(call, "1.1.0");
        return await plugin.gc(call, validAttachments(call.config));
      default:
        throw new CniError("invalid-environment", `CNI_COMMAND ${request.command} is unknown`);
    }
  } catch (thrown) {
    throw asCniError(thrown);
  }
}

function callOf(request: PluginRequest, invoke: Invoke): PluginCall {
  const { command, config } = request;
  const { cniVersion = "0.1.0" } = config;
  if (!isCniVersion(cniVersion)) {
    throw new CniError(
      "incompatible-version",
      `cniVersion ${JSON.stringify(cniVersion)} is not supported; ` +
        `supported are ${CNI_VERSIONS.join(", ")}`,
    );
  }
  if (command === "ADD" || command === "CHECK" || command === "DEL") {
    requireContainerId(request.containerId);
    requireIfName(request.ifName);
    const gone = command === "DEL" && request.netns === "";
    if (!gone && !request.netns.startsWith("/")) {
      const what = `CNI_NETNS ${JSON.stringify(request.netns)} is not an absolute path`;
      throw new CniError("invalid-environment", what);
    }
  }
  const network = requireNetworkName(config.name);
  const previous = config.prevResult;
  const prevResult = previous === undefined ? undefined : parseResult(previous, "prevResult");
  return { ...request, network, version: cniVersion, prevResult, invoke };
}

function requireVersion(call: PluginCall, floor: CniVersion): void {
  if (atLeast(call.version, floor)) return;
  const what = `${call.command} needs cniVersion ${floor}, the configuration has ${call.version}`;
  throw new CniError("incompatible-version", what);
}

function requirePrevResult(call: PluginCall): void {
  if (call.prevResult) return;
  throw new CniError("invalid-config", `${call.command} needs prevResult in the configuration`);
}

function validAttachments(config: PluginConfig): ValidAttachment[] {
  const valid = config["cni.dev/valid-attachments"];
  const wrong = () =>
    new CniError("invalid-config", "cni.dev/valid-attachments is not a list of attachments");
  if (!Array.isArray(valid)) throw wrong();
  for (const item of valid as Partial<ValidAttachment>[]) {
    if (typeof item?.containerID !== "string" || typeof item.ifname !== "string") throw wrong();
  }
  return valid as ValidAttachment[];
}

/** Converts a thrown value: errors of the kernel keep their text, others become `internal`. */
function asCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const code = thrown instanceof CodedError ? "kernel-refused" : "internal";
  return new CniError(code, asError(thrown).message, { cause: thrown });
}

/** Error 7 if a plugin that makes the container's interface is not the first of its list. */
export function requireFirst(call: PluginCall): void {
  if (!call.prevResult) return;
  throw new CniError("invalid-config", `${call.config.type} must be the first plugin of its list`);
}

/** Returns the result of the plugin before; error 7 if there is none. */
export function requireChained(call: PluginCall): CniResult {
  if (call.prevResult) return call.prevResult;
  const what = `${call.config.type} must be chained: it needs prevResult`;
  throw new CniError("invalid-config", what);
}

/** Returns the value of one key of CNI_ARGS (`K=V;K=V`), or undefined. */
export function argument(args: string, key: string): string | undefined {
  const pair = args.split(";").find((text) => text.startsWith(`${key}=`));
  return pair?.slice(key.length + 1);
}

async function readStdin(): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > CONFIG_BYTES) {
      throw new CniError("decoding-failure", `stdin holds more than ${CONFIG_BYTES} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function requestFrom(env: NodeJS.ProcessEnv, text: string): PluginRequest {
  const command = env.CNI_COMMAND;
  if (command === undefined || !COMMANDS.includes(command)) {
    const what = command ? `CNI_COMMAND ${command} is unknown` : "CNI_COMMAND is missing";
    throw new CniError("invalid-environment", what);
  }
  let config: unknown;
  try {
    config = JSON.parse(text.trim() === "" && command === "VERSION" ? "{}" : text);
  } catch (thrown) {
    const what = `the network configuration on stdin: ${asError(thrown).message}`;
    throw new CniError("decoding-failure", what, { cause: thrown });
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    const what = "the network configuration on stdin is not a JSON object";
    throw new CniError("decoding-failure", what);
  }
  return {
    command: command as Command,
    containerId: env.CNI_CONTAINERID ?? "",
    netns: env.CNI_NETNS ?? "",
    ifName: env.CNI_IFNAME ?? "",
    args: env.CNI_ARGS ?? "",
    path: (env.CNI_PATH ?? "").split(":").filter((dir) => dir !== ""),
    config: config as PluginRequest["config"],
  };
}

/**
 * The main function of a plugin's executable: reads environment and stdin, prints one object, and
 * sets the exit code.
 */
export async function runPlugin(
  plugin: CniPlugin,
  wrap: (exec: Invoke) => Invoke = (exec) => exec,
): Promise<void> {
  process.exitCode = 1;
  if (process.env.CNI_COMMAND === undefined) {
    process.stderr.write(
      `CNI plugin ${plugin.name}, for CNI ${CNI_VERSIONS.join(", ")}. ` +
        "It is called by a container runtime: CNI_COMMAND and its like in the environment, " +
        "the network configuration on stdin.\n",
    );
    return;
  }
  let version: string = LATEST_VERSION;
  try {
    const request = requestFrom(process.env, await readStdin());
    version = request.config.cniVersion ?? version;
    const invoke = wrap(execInvoke(PLUGIN_TIMEOUT_MS));
    const result = await dispatch(plugin, request, invoke);
    if (result !== undefined) process.stdout.write(`${JSON.stringify(result)}\n`);
    process.exitCode = 0;
  } catch (thrown) {
    const error = asCniError(thrown);
    process.stdout.write(`${JSON.stringify(error.toWire(version))}\n`);
  }
}
