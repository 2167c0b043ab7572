import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { chmod, mkdir, mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { copyContent } from "../files/copy.ts";
import { expand, type Variables } from "./expand.ts";
import type { Doing } from "./doing.ts";
import { mountCaches } from "./mount-caches.ts";
import { badLine, type Instruction } from "./parse.ts";
import type { Source } from "./source.ts";
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
  "readwrite", "sharing", "mode",
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
    const sharing = take("sharing") ?? "shared";
    if (sharing !== "shared") throw badLine(line, `--mount sharing=${sharing} is not supported`);
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

/** A place of the context to mount: where anything is left out of it, a copy without that. */
export async function withPlace<T>(
  source: Source, place: string, { work, now_ms }: { work: string; now_ms: number },
  use: (file: string) => Promise<T>,
): Promise<T> {
  const file = placeIn(source.root, place);
  if (!source.leavesOut) return await use(file);
  const inside = path.relative(source.root, file);
  if (inside !== "" && source.isIgnored(inside)) {
    throw new RuntimeError("not-found", `--mount: .dockerignore leaves ${place} out`);
  }
  using root = Directory.open(source.root);
  using found = root.handle(inside || ".");
  const stats = found.stats();
  if (!stats.isDirectory()) return await use(file);
  await using copy = await mkdtempDisposable(path.join(work, "mount-"));
  using from = root.directory(inside || ".");
  using to = Directory.open(copy.path);
  const options = { keepsOwners: true, leaveOut: source.isIgnored, now_ms };
  await copyContent(from, to, options, inside);
  await chmod(copy.path, stats.mode & 0o7777);
  return await use(copy.path);
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
    return { destination, source, type: "bind", options: ["bind", "rprivate", access] };
  };
  const { builder, sources, stage } = doing;
  if (type === "cache") {
    const name = createHash("sha256").update(mount.id).digest("hex").slice(0, 24);
    const folder = path.join(mountCaches(builder.host), name);
    await mkdir(folder, { recursive: true, mode: mount.mode });
    return further(bound(folder));
  }
  // In docker, writes there are lost.
  if (!mount.isReadOnly)
    throw new RuntimeError("unimplemented", "--mount type=bind,rw is not supported");
  if (mount.from === undefined) {
    const place = { work: builder.work, now_ms: builder.host.clock.now() };
    return withPlace(sources.context, mount.source, place, (file) => further(bound(file)));
  }
  const { draft } = await sources.draftNamed(mount.from, stage.index);
  return withReadOnly(builder, draft, (root) => further(bound(placeIn(root, mount.source))));
}
