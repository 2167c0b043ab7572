import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { given } from "@raft2kube/std/given.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { PULLED_CREDENTIALS_MAX, PULLED_REPOSITORIES_MAX, PULLS_CUT_SHORT_MAX } from "../limits.ts";
import { type PullCredential, repositoryOf } from "./credentials.ts";

const log = logger("kubelet");
const API_VERSION = "kubelet.config.k8s.io/v1beta1";

/** Pods that may use an image of one repository: all, or those with one of these secrets. */
type Access = { nodePodsAccessible?: boolean; kubernetesSecrets?: PulledSecret[] };

type PulledSecret = { uid: string; namespace: string; name: string; credentialHash: string };

/** ImagePulledRecord, as upstream's kubelet keeps it. */
type PulledRecord = { imageRef: string; credentialMapping: Map<string, Access> };

/** Pulls of an image's name that are under way, or were interrupted. */
interface Intent {
  /** Number of those under way; 0: an interrupted one. */
  underWay: number;
  /** Id of the image of that name before, if it was preloaded: it stays one for all. */
  preloaded: string | undefined;
}

const hexOf = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * Records which credentials pulled which image, so that a pod without them does not use an image
 * that another pod's secret pulled (KEP 2535, policy NeverVerifyPreloadedImages: images that no
 * kubelet pulled are for all). One file for each image. An intent is on disk during a pull, so that
 * an interrupted pull does not count as preloaded.
 */
export class PulledImages {
  readonly #directory: string;
  readonly #records = new Map<string, PulledRecord>();
  /** Names of damaged record files: no pod may use their images without a pull. */
  readonly #damaged = new Set<string>();
  /** The intents by image name. */
  readonly #intents = new Map<string, Intent>();
  #last: Promise<void> = Promise.resolve();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<PulledImages> {
    const images = new PulledImages(directory);
    for (const kind of ["pulled", "pulling"] as const) {
      const folder = path.join(directory, kind);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder)) {
        if (/^[0-9a-f]{64}$/.test(name)) await images.#load(kind, path.join(folder, name));
      }
    }
    return images;
  }

  /**
   * Whether a pod must pull an image that is present, to prove its access. `credentials` returns
   * the pod's own for that image; it is called only when needed.
   */
  async mustPull(
    image: string,
    imageRef: string,
    credentials: () => Promise<PullCredential[]>,
  ): Promise<boolean> {
    const record = this.#records.get(imageRef);
    if (record === undefined) return !this.#isPreloaded(image, imageRef);
    const access = record.credentialMapping.get(repositoryOf(image));
    if (access === undefined) return true;
    if (access.nodePodsAccessible) return false;
    const known = access.kubernetesSecrets ?? [];
    return !(await credentials()).some((own) => known.some((secret) => isSame(secret, own)));
  }

  /** Whether no kubelet pulled an image that is present: no pull of its name may have brought it. */
  #isPreloaded(image: string, imageRef: string): boolean {
    if (this.#records.has(imageRef) || this.#damaged.has(hexOf(imageRef))) return false;
    const intent = this.#intents.get(image);
    return intent === undefined || intent.preloaded === imageRef;
  }

  /**
   * Records the intent of a pull. Call it before the pull, with the id of the image that has the
   * name by then: a pull that any pod can have interrupted does not end that it is for all.
   */
  intend(image: string, present?: string): Promise<void> {
    const isPreloaded = present !== undefined && this.#isPreloaded(image, present);
    const before = this.#intents.get(image) ?? { underWay: 0, preloaded: undefined };
    const preloaded = before.preloaded ?? (isPreloaded ? present : undefined);
    this.#intents.set(image, { underWay: before.underWay + 1, preloaded });
    const intent = { kind: "ImagePullIntent", image, ...given({ preloaded }) };
    return this.#next(() => this.#write("pulling", image, intent));
  }

  /**
   * Drops the intent of a failed pull. An interrupted pull may still complete in the runtime: its
   * intent is kept.
   */
  async failed(image: string, cutShort: boolean): Promise<void> {
    await this.#next(async () => {
      if (!cutShort) return this.#settle(image);
      this.#left(image);
      const idle = [...this.#intents].filter(([, { underWay }]) => underWay === 0);
      for (const [oldest] of idle.slice(0, -PULLS_CUT_SHORT_MAX)) await this.#settle(oldest);
    });
  }

  /**
   * Records a completed pull, with its credential if it had one; `names` are all of the image's by
   * now, `present` the ids of the images in the runtime.
   */
  async pulled(
    image: string,
    { imageRef, names }: { imageRef: string; names: readonly string[] },
    credential: PullCredential | undefined,
    present: ReadonlySet<string>,
  ): Promise<void> {
    await this.#next(async () => {
      const known = this.#records.get(imageRef)?.credentialMapping;
      const mapping = new Map(known ?? this.#preloadedNames(imageRef, names));
      const repository = repositoryOf(image);
      if (mapping.has(repository) || mapping.size < PULLED_REPOSITORIES_MAX) {
        const access = withCredential(mapping.get(repository) ?? {}, credential);
        mapping.set(repository, access);
      }
      const record = { imageRef, credentialMapping: mapping };
      await this.#write("pulled", imageRef, {
        kind: "ImagePulledRecord",
        ...record,
        credentialMapping: Object.fromEntries(record.credentialMapping),
      });
      this.#records.set(imageRef, record);
      this.#damaged.delete(hexOf(imageRef));
      await this.#settle(image);
      await this.#prune(imageRef, present);
    });
  }

  /**
   * The access to an image of which no pull is recorded: that by names which no pull may have
   * brought, of a preloaded image, is for all. Any registry may give it another name.
   */
  #preloadedNames(imageRef: string, names: readonly string[]): [string, Access][] {
    if (this.#damaged.has(hexOf(imageRef))) return [];
    const pulled = new Set([...this.#intents.keys()].map(repositoryOf));
    const preloaded = new Set(names.map(repositoryOf)).difference(pulled);
    return [...preloaded]
      .slice(0, PULLED_REPOSITORIES_MAX)
      .map((repository) => [repository, { nodePodsAccessible: true }]);
  }

  /** Removes the records of images that are no longer present. */
  async #prune(imageRef: string, present: ReadonlySet<string>): Promise<void> {
    for (const gone of this.#records.keys()) {
      if (gone === imageRef || present.has(gone)) continue;
      await rm(this.#file("pulled", gone), { force: true });
      this.#records.delete(gone);
    }
  }

  /** Counts a pull that has ended. Returns the number of those left. */
  #left(image: string): number {
    const { underWay = 1, preloaded } = this.#intents.get(image) ?? {};
    this.#intents.set(image, { underWay: underWay - 1, preloaded });
    return underWay - 1;
  }

  async #settle(image: string): Promise<void> {
    if (this.#left(image) > 0) return;
    await rm(this.#file("pulling", image), { force: true });
    this.#intents.delete(image);
  }

  /** Runs changes one at a time. */
  #next(change: () => Promise<void>): Promise<void> {
    const changed = this.#last.then(change);
    this.#last = changed.then(
      () => undefined,
      () => undefined,
    );
    return changed;
  }

  #file(kind: "pulled" | "pulling", key: string): string {
    return path.join(this.#directory, kind, hexOf(key));
  }

  #write(kind: "pulled" | "pulling", key: string, content: object): Promise<void> {
    const document = { apiVersion: API_VERSION, ...content };
    return replaceFile(this.#file(kind, key), `${JSON.stringify(document)}\n`);
  }

  async #load(kind: "pulled" | "pulling", file: string): Promise<void> {
    const document = documentOf(await readFile(file, "utf8"));
    const { image, preloaded, imageRef, credentialMapping = {} } = document;
    if (kind === "pulling" && image !== undefined) {
      this.#intents.set(image, { underWay: 0, preloaded });
    } else if (kind === "pulled" && imageRef !== undefined) {
      const repositories = Object.entries(credentialMapping);
      const mapping = new Map(repositories.map(([name, access]) => [repositoryOf(name), access]));
      this.#records.set(imageRef, { imageRef, credentialMapping: mapping });
    } else {
      log.warn("a record of a pulled image is damaged: pods pull it again", { file });
      this.#damaged.add(path.basename(file));
    }
  }
}

interface Document {
  image?: string;
  preloaded?: string;
  imageRef?: string;
  credentialMapping?: Record<string, Access>;
}

/** Returns the parsed record; an empty one for a file that is not JSON. */
const documentOf = (text: string): Document => (jsonOrNothing(text) ?? {}) as Document;

/**
 * Whether it is the same secret, also with a new content, or the same credential in another secret.
 */
function isSame(known: PulledSecret, { secret, hash }: PullCredential): boolean {
  if (known.credentialHash === hash) return true;
  const { uid, namespace, name } = secret;
  return known.uid === uid && known.namespace === namespace && known.name === name;
}

function withCredential(access: Access, credential: PullCredential | undefined): Access {
  if (credential === undefined) return { nodePodsAccessible: true };
  if (access.nodePodsAccessible) return access;
  const others = (access.kubernetesSecrets ?? []).filter((known) => {
    return known.credentialHash !== credential.hash || known.uid !== credential.secret.uid;
  });
  const added = { ...credential.secret, credentialHash: credential.hash };
  return { kubernetesSecrets: [...others, added].slice(-PULLED_CREDENTIALS_MAX) };
}
