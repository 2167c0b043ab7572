import { readdir } from "node:fs/promises";
import path from "node:path";
import { readRegular } from "@raft2kube/linux/file/read-regular.ts";
import type { Device, KeyValue } from "@raft2kube/proto/gen/cri.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { Fields } from "../image/json.ts";
import { CDI_FILE_BYTES_MAX, CDI_FILES_MAX, CDI_YAML_BYTES_MAX } from "../limits.ts";
import { HOOKS, type OciDevice, type OciHook, type OciHooks, type OciMount } from "../oci/spec.ts";

/** Folders of CDI's specifications: a device in the later one replaces that of the earlier one. */
export const CDI_FOLDERS: readonly string[] = ["/etc/cdi", "/var/run/cdi"];

const VERSION = /^(0\.[1-8]|1\.[01])\.0$/;
const KIND = /^[A-Za-z]([\w.-]*[A-Za-z0-9])?\/[A-Za-z]([\w.-]*[A-Za-z0-9])?$/;
const NAME = /^[A-Za-z0-9]([\w.:-]*[A-Za-z0-9])?$/;

/** The changes that CDI devices make to a container. */
export interface CdiEdits {
  readonly envs: readonly KeyValue[];
  readonly devices: readonly CdiDevice[];
  readonly mounts: readonly OciMount[];
  readonly hooks: OciHooks;
  readonly groups: readonly number[];
}

/** A device node; what it does not name is the host's, and the container's user's. */
type CdiDevice = Device & { readonly node: Partial<OciDevice> };

/** A device by its name, from the file that has it; `undefined` edits: two files have it. */
type CdiDevices = Map<string, { folder: string; file: string; edits: CdiEdits[] | undefined }>;

/** Whether a text is the name of a CDI device, `vendor.com/class=name`. */
export function isCdiName(text: string): boolean {
  const [kind = "", name = ""] = text.split(/=(.*)/s);
  return KIND.test(kind) && NAME.test(name);
}

/**
 * Returns what devices by these names, `vendor.com/class=name`, change in a container: the
 * Container Device Interface (cncf-tags/container-device-interface, SPEC.md 1.1), whose files
 * vendors write on the node. Rejects with RuntimeError invalid-argument for a name that no file
 * has, or two of one folder, with what is wrong in the files.
 */
export async function cdiEdits(
  names: readonly string[],
  folders: readonly string[] = CDI_FOLDERS,
): Promise<CdiEdits> {
  const all: CdiEdits[] = [];
  if (names.length > 0) {
    const { devices, problems } = await readFolders(folders);
    const missing = names.filter((name) => devices.get(name)?.edits === undefined);
    if (missing.length > 0) throw unresolved(missing, folders, problems);
    const found = names.map((name) => devices.get(name)!);
    const seen = new Set<string>();
    for (const { file, edits } of found) {
      const [ofFile, ofDevice] = edits!;
      if (!seen.has(file)) all.push(ofFile!);
      seen.add(file);
      all.push(ofDevice!);
    }
  }
  const hooks = HOOKS.flatMap((name) => {
    const programs = all.flatMap((each) => each.hooks[name] ?? []);
    return programs.length > 0 ? [[name, programs] as const] : [];
  });
  return {
    envs: all.flatMap(({ envs }) => envs),
    devices: all.flatMap(({ devices }) => devices),
    mounts: all.flatMap(({ mounts }) => mounts),
    hooks: Object.fromEntries(hooks),
    groups: all.flatMap(({ groups }) => groups),
  };
}

function unresolved(names: readonly string[], folders: readonly string[], problems: string[]) {
  const why = problems.length > 0 ? ` (${problems.join("; ")})` : "";
  const message = `no CDI device ${names.join(", ")} in ${folders.join(", ")}${why}`;
  const remedy =
    "install what writes the vendor's CDI specification, such as nvidia-ctk cdi generate";
  return new RuntimeError("invalid-argument", message, { remedy });
}

/** Reads all files; one that is wrong takes nothing from the devices of others. */
async function readFolders(folders: readonly string[]) {
  const devices: CdiDevices = new Map();
  const problems: string[] = [];
  for (const folder of folders) {
    const names = (await tolerate(readdir(folder), errno("ENOENT"))) ?? [];
    const files = names.filter((name) => /\.(json|yaml)$/.test(name)).sort();
    if (files.length > CDI_FILES_MAX) {
      problems.push(`${folder}: of ${files.length} files ${CDI_FILES_MAX} are read`);
    }
    for (const name of files.slice(0, CDI_FILES_MAX)) {
      const file = path.join(folder, name);
      try {
        for (const [device, edits] of await readSpecification(file)) {
          const other = devices.get(device);
          const isTwice = other?.folder === folder;
          if (isTwice) problems.push(`${device} is in ${other.file} and in ${file}`);
          devices.set(device, { folder, file, edits: isTwice ? undefined : edits });
        }
      } catch (thrown) {
        problems.push(messageOf(thrown));
      }
    }
  }
  return { devices, problems };
}

/** The devices of a file: what each changes, after what all of the file's do. */
async function readSpecification(file: string): Promise<[string, CdiEdits[]][]> {
  const refuse = (why: string) => new RuntimeError("invalid-argument", `CDI: ${why}`);
  const spec = new Fields(await parsed(file), file, refuse);
  spec.allow("cdiVersion", "kind", "annotations", "devices", "containerEdits");
  const version = spec.text("cdiVersion") ?? "";
  if (!VERSION.test(version)) throw refuse(`${file}: cdiVersion ${JSON.stringify(version)}`);
  const kind = spec.text("kind") ?? "";
  if (!KIND.test(kind)) throw refuse(`${file}: kind ${JSON.stringify(kind)}`);
  const ofFile = readEdits(spec.fields("containerEdits"));
  return spec.each("devices").map((device) => {
    device.allow("name", "annotations", "containerEdits");
    const name = device.text("name") ?? "";
    if (!NAME.test(name)) throw refuse(`${file}: a device's name ${JSON.stringify(name)}`);
    return [`${kind}=${name}`, [ofFile, readEdits(device.fields("containerEdits"))]];
  });
}

async function parsed(file: string): Promise<unknown> {
  try {
    if (file.endsWith(".json")) return JSON.parse(await readRegular(file, CDI_FILE_BYTES_MAX));
    const { parseYaml } = await import("@raft2kube/std/parse-yaml.ts");
    return parseYaml(await readRegular(file, CDI_YAML_BYTES_MAX));
  } catch (cause) {
    throw new RuntimeError("invalid-argument", `CDI: ${file}: ${messageOf(cause)}`, { cause });
  }
}

function readEdits(edits: Fields | undefined): CdiEdits {
  edits?.allow("env", "deviceNodes", "mounts", "hooks", "additionalGids");
  const hooks: OciHooks = {};
  for (const hook of edits?.each("hooks") ?? []) {
    const { name, program } = readHook(hook);
    (hooks[name] ??= []).push(program);
  }
  return {
    envs: (edits?.texts("env") ?? []).map((pair) => {
      const [key = "", value = ""] = pair.split(/=(.*)/s);
      return { key, value };
    }),
    devices: (edits?.each("deviceNodes") ?? []).map(readDevice),
    mounts: (edits?.each("mounts") ?? []).map(readMount),
    hooks,
    groups: (edits?.integers("additionalGids") ?? []).filter((id) => id !== 0),
  };
}

function readDevice(node: Fields): CdiDevice {
  const numbers = ["major", "minor", "fileMode", "uid", "gid"] as const;
  node.allow("path", "hostPath", "type", "permissions", ...numbers);
  const containerPath = absolute(node, "path");
  const device: Device = {
    containerPath,
    hostPath: node.text("hostPath") ?? containerPath,
    permissions: node.text("permissions") ?? "",
  };
  const type = node.choice("type", ["b", "c", "u"]);
  return {
    ...device,
    node: {
      ...(type && { type: type === "b" ? "b" : "c" }),
      ...Object.fromEntries(
        numbers.flatMap((name) => {
          const value = node.integer(name);
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    },
  };
}

function readMount(mount: Fields): OciMount {
  mount.allow("hostPath", "containerPath", "options", "type");
  return {
    destination: absolute(mount, "containerPath"),
    source: mount.text("hostPath") ?? "",
    type: mount.text("type") || "bind",
    options: mount.texts("options") ?? ["bind"],
  };
}

function readHook(hook: Fields) {
  hook.allow("hookName", "path", "args", "env", "timeout");
  const name = hook.choice("hookName", HOOKS);
  if (name === undefined) throw hook.wrong("hookName", "is missing");
  const file = absolute(hook, "path");
  const [env, timeout] = [hook.texts("env"), hook.integer("timeout")];
  const program: OciHook = {
    path: file,
    args: hook.texts("args") ?? [file],
    ...(env && { env }),
    ...(timeout !== undefined && { timeout }),
  };
  return { name, program };
}

function absolute(fields: Fields, name: string): string {
  const place = fields.text(name) ?? "";
  if (path.isAbsolute(place)) return place;
  throw fields.wrong(name, "is no absolute path");
}
