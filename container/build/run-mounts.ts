import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { expand, type Variables } from "./expand.ts";
import type { Doing } from "./doing.ts";
import { badLine, type Instruction } from "./parse.ts";
import { withReadOnly } from "./stage.ts";

/** A `--mount` of RUN. */
export interface RunMount {
  type: "bind" | "cache" | "tmpfs";
  target: string;
  source: string;
  from?: string;
  id: string;
  isReadOnly: boolean;
  mode: number;
}

const KEYS = new Set([
  "type", "target", "dst", "destination", "source", "src", "from", "id", "ro", "readonly", "rw",
  "readwrite", "sharing", "mode", "uid", "gid", "size",
]);

/** Reads the mounts of a RUN; `secret` and `ssh` are refused. */
export function mountsOf({ flags, line, escape }: Instruction, variables: Variables): RunMount[] {
  return (flags.get("mount") ?? []).map((text) => {
    const pairs = expand(text, variables, escape).split(",").map((part) => part.split(/=(.*)/s, 2));
    const unknown = pairs.find(([key = ""]) => !KEYS.has(key));
    if (unknown) throw badLine(line, `--mount ${unknown[0]} is not supported`);
    const fields = new Map(pairs.map(([key = "", value = "true"]) => [key, value]));
    const take = (...keys: string[]) =>
      keys.map((key) => fields.get(key)).find((value) => value !== undefined);
    const type = take("type") ?? "bind";
    if (type !== "bind" && type !== "cache" && type !== "tmpfs") {
      throw badLine(line, `--mount type=${type} is not supported`);
    }
    const target = take("target", "dst", "destination");
    if (!target?.startsWith("/")) throw badLine(line, "--mount needs target=/...");
    const from = take("from");
    const isReadOnly =
      type === "bind" ? take("rw", "readwrite") !== "true" : take("ro", "readonly") === "true";
    return {
      type, target, source: take("source", "src") ?? ".", id: take("id") ?? target, isReadOnly,
      ...(from !== undefined && { from }), mode: Number.parseInt(take("mode") ?? "755", 8),
    };
  });
}

/** The real path of a place beneath a root; links do not lead out of it. */
function placeIn(root: string, place: string): string {
  const inside = path.posix.normalize(`/${place}`).slice(1) || ".";
  try {
    using directory = Directory.open(root);
    using found = directory.handle(inside, { links: "inside" });
    return readlinkSync(`/proc/self/fd/${found.fd}`);
  } catch (cause) {
    if (!isErrno(cause, "ENOENT", "ENOTDIR", "ELOOP")) throw cause;
    throw new RuntimeError("not-found", `--mount: there is no ${place}`, { cause });
  }
}

/** Makes the mounts of a RUN ready for the time of `work`. */
export async function withMounts<T>(
  doing: Doing, [mount, ...rest]: readonly RunMount[], work: (mounts: OciMount[]) => Promise<T>,
): Promise<T> {
  if (mount === undefined) return work([]);
  const further = (own: OciMount) => withMounts(doing, rest, (others) => work([own, ...others]));
  const { target: destination, type } = mount;
  if (type === "tmpfs") {
    return further({ destination, type, source: "tmpfs", options: ["nosuid", "nodev"] });
  }
  const access = mount.isReadOnly ? "ro" : "rw";
  const bound = (source: string): OciMount => {
    return { destination, source, type: "bind", options: ["rbind", "rprivate", access] };
  };
  const { builder, sources, stage } = doing;
  if (type === "cache") {
    const name = createHash("sha256").update(mount.id).digest("hex").slice(0, 24);
    const folder = path.join(builder.host.root, "build-caches", name);
    await mkdir(folder, { recursive: true, mode: mount.mode });
    return further(bound(folder));
  }
  // In docker, writes there are lost.
  if (!mount.isReadOnly)
    throw new RuntimeError("unimplemented", "--mount type=bind,rw is not supported");
  if (mount.from === undefined) return further(bound(placeIn(sources.context.root, mount.source)));
  const { draft } = await sources.draftNamed(mount.from, stage.index);
  return withReadOnly(builder, draft, (root) => further(bound(placeIn(root, mount.source))));
}
