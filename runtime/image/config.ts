import { isRecord } from "@raft2kube/std/record.ts";
import { IMAGE_PROCESS_BYTES_MAX, IMAGE_USER_CHARACTERS_MAX } from "../limits.ts";
import { Fields, malformed, parseJson } from "./json.ts";
import { DIGEST } from "./reference.ts";

/** An image's configuration, the fields that we use (OCI image spec, config.md). */
export interface ImageConfig {
  architecture: string;
  os: string;
  created?: string;
  author?: string;
  config?: ImageDefaults;
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: HistoryEntry[];
}

/** One step by which an image was made. */
export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** How a container's health is tested (docker's extension); times in nanoseconds. */
export interface HealthCheck {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** The image's defaults for a container. */
export interface ImageDefaults {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  StopSignal?: string;
  Labels?: Record<string, string>;
  ExposedPorts?: Record<string, unknown>;
  Volumes?: Record<string, unknown>;
  /** Fields of docker's, for builds and containers made by hand. */
  Healthcheck?: HealthCheck;
  OnBuild?: string[];
  Shell?: string[];
}

/** Users and groups above are no ids to an OCI runtime, nor to the kubelet. */
const ID_MAX = 2 ** 31 - 1;

/** `user[:group]`, by name or number. A number that is no id would be taken for one elsewhere. */
function decodeUser(fields: Fields): string | undefined {
  const user = fields.text("User");
  if (user && user.length > IMAGE_USER_CHARACTERS_MAX)
    throw malformed("the config's User is too long");
  for (const part of user?.split(":") ?? []) {
    if (/^[0-9]+$/.test(part) && Number(part) > ID_MAX) {
      throw malformed(`the config's User names the id ${part.slice(0, 40)}, over ${ID_MAX}`);
    }
  }
  return user;
}

function decodeDefaults(fields: Fields): ImageDefaults {
  const User = decodeUser(fields);
  const Env = fields.texts("Env");
  const Entrypoint = fields.texts("Entrypoint");
  const Cmd = fields.texts("Cmd");
  const WorkingDir = fields.text("WorkingDir");
  if (WorkingDir && !WorkingDir.startsWith("/")) {
    throw malformed(`the config's WorkingDir ${JSON.stringify(WorkingDir)} is not absolute`);
  }
  const bytes = Buffer.byteLength(JSON.stringify([Env, Entrypoint, Cmd, WorkingDir]));
  if (bytes > IMAGE_PROCESS_BYTES_MAX) {
    const what = "the config's Env, Entrypoint, Cmd and WorkingDir take";
    throw malformed(`${what} ${bytes} bytes, more than ${IMAGE_PROCESS_BYTES_MAX}`);
  }
  const StopSignal = fields.text("StopSignal");
  const Labels = fields.textsByName("Labels");
  return {
    ...(User !== undefined && { User }),
    ...(Env && { Env }),
    ...(Entrypoint && { Entrypoint }),
    ...(Cmd && { Cmd }),
    ...(WorkingDir !== undefined && { WorkingDir }),
    ...(StopSignal !== undefined && { StopSignal }),
    ...(Labels && { Labels }),
    ...decodeExtensions(fields),
  };
}

function decodeExtensions(fields: Fields): ImageDefaults {
  const [ExposedPorts, Volumes] = [keysOf(fields, "ExposedPorts"), keysOf(fields, "Volumes")];
  const [OnBuild, Shell] = [fields.texts("OnBuild"), fields.texts("Shell")];
  const health = fields.fields("Healthcheck");
  return {
    ...(ExposedPorts && { ExposedPorts }),
    ...(Volumes && { Volumes }),
    ...(OnBuild && { OnBuild }),
    ...(Shell && { Shell }),
    ...(health && { Healthcheck: decodeHealth(health) }),
  };
}

/** A set, as Go writes it: an object whose values are empty. */
function keysOf(fields: Fields, name: string): Record<string, unknown> | undefined {
  const value = fields.raw(name);
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw malformed(`the config's ${name} is not an object`);
  return Object.fromEntries(Object.keys(value).map((key) => [key, {}]));
}

/** Docker's least time of a health check, but for 0, the default. */
const HEALTH_TIME_MIN_NS = 1e6;

function decodeHealth(fields: Fields): HealthCheck {
  const Test = fields.texts("Test");
  const numbers = ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;
  const found = numbers.flatMap((name) => {
    const value = fields.raw(name);
    if (value === undefined) return [];
    const min = name === "Retries" || value === 0 ? 0 : HEALTH_TIME_MIN_NS;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
      throw malformed(`the config's Healthcheck.${name} is no whole number from ${min} on`);
    }
    return [[name, value] as const];
  });
  return { ...(Test && { Test }), ...Object.fromEntries(found) };
}

function decodeHistory(value: unknown): HistoryEntry {
  const fields = new Fields(value, "an entry of the config's history");
  const names = ["created", "created_by", "author", "comment"] as const;
  const texts = names.flatMap((name) => {
    const text = fields.text(name);
    return text === undefined ? [] : [[name, text] as const];
  });
  const empty = fields.raw("empty_layer") === true;
  return { ...Object.fromEntries(texts), ...(empty && { empty_layer: true }) };
}

/** An image's configuration, with one diff id per layer of its manifest. */
export function parseImageConfig(bytes: Buffer, layers: number): ImageConfig {
  const fields = new Fields(parseJson(bytes, "the config"), "the config");
  const diffIds = fields.fields("rootfs")?.texts("diff_ids") ?? [];
  if (!diffIds.every((id) => DIGEST.test(id))) throw malformed("the config has no good diff_ids");
  if (diffIds.length !== layers) throw malformed(`${layers} layers and ${diffIds.length} diff_ids`);
  const defaults = fields.fields("config");
  const [created, author] = [fields.text("created"), fields.text("author")];
  const steps = fields.raw("history");
  // Of no use to a container: one that is malformed refuses no image.
  const history = Array.isArray(steps) && steps.every(isRecord) && steps.map(decodeHistory);
  return {
    architecture: fields.text("architecture") ?? "",
    os: fields.text("os") ?? "",
    ...(created !== undefined && { created }),
    ...(author !== undefined && { author }),
    ...(defaults && { config: decodeDefaults(defaults) }),
    rootfs: { type: "layers", diff_ids: diffIds },
    ...(history && { history }),
  };
}
