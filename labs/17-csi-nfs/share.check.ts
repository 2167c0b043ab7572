import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountVolume } from "@raft2kube/csi/drivers/nfs/in-share/publish.ts";
import {
  type MetaKind,
  ShareContents,
} from "@raft2kube/csi/drivers/nfs/in-share/share-contents.ts";
import {
  createVolume,
  deleteVolume,
  getVolume,
} from "@raft2kube/csi/drivers/nfs/in-share/volumes.ts";
import { mountOptionsOf } from "@raft2kube/csi/drivers/nfs/mount-options.ts";
import type { OnDelete } from "@raft2kube/csi/drivers/nfs/parameters.ts";
import { keyOf } from "@raft2kube/csi/drivers/nfs/volume-id.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { MountFlag, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { exportedBy } from "../../testing/nfs/exports.ts";
import { check } from "../check.ts";
import { MIB } from "../csi-driver.ts";
import { judge } from "../judge.ts";
import { isUnwritten, mustEqual, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { SERVER, SHARE } from "./driver.ts";

class PowerFailure extends CodedError {
  constructor() {
    super("POWER", "the power fails");
  }
}

/** A share on a directory; the power can fail before one of its writes. */
class FailingShare extends ShareContents {
  readonly path: string;
  /** Says before which write of a record it fails: `ready`, `names`, `forget names`. */
  failsBefore: string | undefined;
  /** Directories of volumes that existed when a volume's record was added, or forgotten. */
  readonly seen: Record<"added" | "forgotten", string[]> = { added: [], forgotten: [] };

  constructor(path: string) {
    super(Directory.open(path), { server: SERVER, path: SHARE });
    this.path = path;
  }

  has(file: string): boolean {
    return existsSync(join(this.path, file));
  }

  #fail(step: string): void {
    if (this.failsBefore === step) throw new PowerFailure();
  }

  #look(place: "added" | "forgotten", kind: MetaKind): void {
    if (kind === "volumes") this.seen[place] = ["a", "b"].filter((name) => this.has(name));
  }

  override add(kind: MetaKind, key: string, record: object): boolean {
    this.#look("added", kind);
    return super.add(kind, key, record);
  }

  override replace(kind: MetaKind, key: string, record: object): void {
    if (kind === "names") this.#fail("names");
    if (kind === "volumes" && "state" in record) this.#fail(String(record.state));
    super.replace(kind, key, record);
  }

  override forget(kind: MetaKind, key: string): void {
    this.#fail(`forget ${kind}`);
    this.#look("forgotten", kind);
    super.forget(kind, key);
  }
}

async function withShare(body: (share: FailingShare) => Promise<void>): Promise<void> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "r2k-lab-share-")));
  const share = new FailingShare(dir);
  try {
    await body(share);
  } finally {
    share.root[Symbol.dispose]();
    for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
    rmSync(dir, { recursive: true });
  }
}

type Wish = { name?: string; subDir?: string; required_bytes?: number; onDelete?: OnDelete };

const create = (share: ShareContents, wish: Wish = {}) => {
  const { name = "pvc-1", subDir = "a", required_bytes = MIB, onDelete = "delete" } = wish;
  const rest = { limit_bytes: 0, source: undefined, mode: undefined };
  const key = keyOf(subDir);
  return createVolume(share, { key, name, subDir, required_bytes, onDelete, ...rest });
};
const remove = (share: ShareContents, subDir = "a") =>
  deleteVolume(share, keyOf(subDir), { sourceOfMount: exportedBy });

/** Runs a call until the power fails in it. */
async function interrupted(share: FailingShare, step: string, call: () => Promise<unknown>) {
  share.failsBefore = step;
  let happened = "it ended, and never came to the step";
  try {
    await call();
  } catch (thrown) {
    if (isUnwritten(thrown)) throw thrown;
    if (thrown instanceof PowerFailure) return;
    happened = String(thrown);
  } finally {
    share.failsBefore = undefined;
  }
  judge(false, {
    when: `a call during which the power fails, before the step: ${step}`,
    expected: "it comes to this step",
    happened,
    why: "the next attempt, perhaps on another node, knows what the records say and nothing else",
  });
}

check("CreateVolume: the same name is the same directory; another wish is refused", () =>
  withShare(async (share) => {
    const first = await create(share);
    mustEqual(await create(share), first, {
      when: "CreateVolume pvc-1, twice",
      why: "the provisioner repeats the call until it has an answer: one claim, one directory",
    });
    const others: readonly (readonly [string, Wish])[] = [
      ["pvc-1 has 1 MiB, and is wanted with 9000 MiB", { required_bytes: 9_000 * MIB }],
      ["pvc-1 is in directory a, and is wanted in b", { subDir: "b" }],
      ["directory a is that of pvc-1, and pvc-2 wants it", { name: "pvc-2" }],
    ];
    for (const [when, wish] of others) {
      await mustRefuse(create(share, wish), Status.ALREADY_EXISTS, {
        when,
        why: "success would say that the caller has what it asked for",
      });
    }
    judge(!share.has("b"), {
      when: "after these; directory b",
      expected: "not there",
      happened: "it was made",
      why: "a call that is refused changes nothing: nothing would ever delete it",
    });
  }),
);

check("CreateVolume: a record before its directory, and an attempt that broke off goes on", () =>
  withShare(async (share) => {
    const why = "the provisioner's next attempt, perhaps on another node, must get the volume";
    for (const [step, subDir] of [
      ["names", "a"],
      ["ready", "b"],
    ] as const) {
      const wish = { name: `pvc-${subDir}`, subDir };
      await interrupted(share, step, () => create(share, wish));
      judge(!share.seen.added.includes(subDir), {
        when: `CreateVolume in ${subDir}; the directory when the record was written`,
        expected: "not there",
        happened: "there already",
        why: "a directory without a record belongs to no volume: nothing ever deletes it",
      });
      if (share.has(subDir)) writeFileSync(join(share.path, subDir, "file"), "kept");
      const when = `the power failed before the step ${step}; CreateVolume again`;
      const volume = await mustPass(create(share, wish), { when, expected: "the volume", why });
      mustEqual([volume.state, share.has(subDir)], ["ready", true], { when, why });
      await mustPass((async () => getVolume(share, keyOf(subDir)))(), {
        when: `${when}; its record`,
        expected: "ready",
        why: "NodePublishVolume refuses a volume that is not ready",
      });
    }
    mustEqual(await readFile(join(share.path, "b/file"), "utf8"), "kept", {
      when: "a file in a directory whose record was not ready; after CreateVolume again",
      why: "the answer may have been lost after a node had it: nothing is made twice",
    });
  }),
);

check("DeleteVolume: deleted, kept or archived; again is success", () =>
  withShare(async (share) => {
    for (const onDelete of ["delete", "retain", "archive"] as const) {
      const subDir = `ns/${onDelete}`;
      await create(share, { name: onDelete, subDir, onDelete });
      writeFileSync(join(share.path, subDir, "file"), onDelete);
      for (let i = 0; i < 2; i++) {
        await mustPass(remove(share, subDir), {
          when: `DeleteVolume, onDelete: ${onDelete}, twice`,
          expected: "success",
          why: "the provisioner repeats it until it succeeds, and keeps the PV until then",
        });
      }
      await create(share, { name: `${onDelete}-2`, subDir: `x-${onDelete}`, onDelete });
    }
    mustEqual((await readdir(join(share.path, "ns"))).sort(), ["archived-archive", "retain"], {
      when: "three volumes in ns, deleted with onDelete: delete, retain, archive",
      why: "retain and archive are promises to the owner of the data",
    });
    mustEqual(await readdir(join(share.path, ".r2k-csi/trash")), [], {
      when: "the driver's trash after that",
      why: "what was deleted would fill the server",
    });
    await create(share, { name: "alone", subDir: "ns2/team/v" });
    await remove(share, "ns2/team/v");
    judge(!share.has("ns2"), {
      when: "ns2/team/v is deleted, the only volume there; directory ns2",
      expected: "gone",
      happened: "still there",
      why: "CreateVolume has made it, and nothing else removes it",
    });
  }),
);

check("DeleteVolume: the record goes last, and a volume being deleted is not given again", () =>
  withShare(async (share) => {
    await create(share);
    await interrupted(share, "forget names", () => remove(share));
    await mustRefuse(create(share), Status.ABORTED, {
      when: "the power failed in DeleteVolume of pvc-1; CreateVolume pvc-1",
      why: "its files are gone: given as an existing volume it would be one without a directory",
    });
    await mustPass(remove(share), {
      when: "the power failed in DeleteVolume; DeleteVolume again",
      expected: "success",
      why: "what is half done is brought to its end by the caller's next attempt",
    });
    mustEqual(share.seen.forgotten, [], {
      when: "DeleteVolume of a; volumes' directories when its record went",
      why: "after a power failure there, a directory without a record belongs to no volume",
    });
    await create(share);
  }),
);

check("DeleteVolume: moved out of the way, then emptied; nothing is deleted through a mount", () =>
  withShare(async (share) => {
    await create(share);
    const inner = join(share.path, "a/inner");
    mkdirSync(inner);
    mount({ source: "tmpfs", target: inner, type: "tmpfs", flags: MountFlag.nodev });
    writeFileSync(join(inner, "file"), "another's");
    let refused: unknown;
    await remove(share).catch((thrown: unknown) => (refused = thrown));
    if (isUnwritten(refused)) throw refused;
    judge(!share.has("a"), {
      when: "a deletion that cannot end, as something is mounted within; directory a",
      expected: "moved to the driver's trash",
      happened: "still there, and partly empty",
      why: "a pod that mounts it now would find some of its files: worse than all or none",
    });
    const [point = ""] = mountPointsBelow(share.path);
    mustEqual(await readdir(point), ["file"], {
      when: "the files in what is mounted within",
      why: "a recursive deletion through a mount destroys what is not the volume's",
    });
    unmount(point);
    await remove(share);
    mustEqual(await readdir(join(share.path, ".r2k-csi/trash")), [], {
      when: "DeleteVolume again, without that mount; the trash",
      why: "the next attempt ends what one has begun",
    });
  }),
);

check("mounting: the server must give the directory that was looked up", () =>
  withShare(async (share) => {
    await create(share, { subDir: "a" });
    await create(share, { subDir: "b", name: "pvc-2" });
    const attached: string[] = [];
    /** A server that shows `b` where `a` is asked for: a link was put there in between. */
    const mounter = {
      sourceOfMount: exportedBy,
      open: async (_: unknown, subDir: string) => ({
        path: join(share.path, subDir === "a" ? "b" : subDir),
        attach: (target: string) => void attached.push(target),
        [Symbol.dispose]: () => undefined,
      }),
    };
    const request = { share: share.share, mount: mountOptionsOf("", []), target: "/pod" };
    const why = "a mount goes by name, and follows the links that tenants put into the share";
    const call = mountVolume(mounter, { ...request, subDir: "a", key: keyOf("a") });
    await mustRefuse(call, Status.FAILED_PRECONDITION, {
      when: "a is looked up, and what is mounted is b",
      why,
    });
    mustEqual(attached, [], { when: "after that; what was attached to the pod's path", why });
    const unknown = mountVolume(mounter, { ...request, subDir: "b", key: keyOf("never") });
    await mustRefuse(unknown, Status.NOT_FOUND, {
      when: "NodePublishVolume of a volume without a record",
      why: "its directory may be another's by now",
    });
    await mountVolume(mounter, { ...request, subDir: "b", key: keyOf("b") });
    mustEqual(attached, ["/pod"], { when: "b is looked up and mounted", why: "then it is shown" });
  }),
);
