import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists, isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { openImage } from "@raft2kube/csi/drivers/hostpath/volume-image.ts";
import { Controller } from "@raft2kube/proto/gen/csi.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { waitFor } from "../../../testing/wait.ts";
import { CLASS_NAME, NODE_NAME } from "./objects.ts";
import type { Form } from "./points.ts";
import type { StorageStack } from "./storage-stack.ts";

const namespace = "default";
const TIMEOUT_MS = 60_000;
const RETRY_MS = 50;
const clock = systemClock();

/** Whole blocks, as a block device takes them. */
const BLOCK_BYTES = 4096;

/**
 * One claim and its pod from creation to deletion. Every step is repeated until it succeeds, as its
 * user would, and data is read back after each.
 */
export class VolumeTrial {
  readonly #stack: StorageStack;
  readonly #form: Form;
  readonly #name: string;
  readonly #text: string;
  #podUid = "";
  #handle = "";

  constructor(stack: StorageStack, form: Form, name: string) {
    this.#stack = stack;
    this.#form = form;
    this.#name = name;
    this.#text = `data of ${name}`;
  }

  async run(): Promise<void> {
    const { schedule } = this.#stack;
    schedule.phase = "provision";
    await this.#provision();
    // Some kernels let only an image that nothing has mounted grow.
    const growsFirst = this.#form === "image";
    if (growsFirst) {
      schedule.phase = "expand";
      await this.#askForMore();
      await this.#until(
        "the driver's expansion",
        async () => (await this.#resizeState()) === "NodeResizePending",
      );
    }
    schedule.phase = "attach";
    await this.#mount();
    await this.#write();
    schedule.phase = "expand";
    if (!growsFirst) await this.#askForMore();
    await this.#untilGrown();
    await this.#requireData("after its expansion");
    schedule.phase = "snapshot";
    const snapshotId = await this.#snapshot();
    schedule.phase = "unpublish";
    await this.#unmount();
    await this.#requireContent("volumes", this.#handle);
    await this.#requireContent("snapshots", snapshotId);
    schedule.phase = "delete";
    await this.#persist(() => this.#controller.deleteSnapshot({ snapshotId }));
    await this.#delete();
    schedule.phase = undefined;
  }

  async #provision(): Promise<void> {
    const spec: PersistentVolumeClaim["spec"] = {
      accessModes: ["ReadWriteOnce"],
      storageClassName: CLASS_NAME,
      volumeMode: this.#form === "block" ? "Block" : "Filesystem",
      resources: { requests: { storage: "1Mi" } },
    };
    const metadata = { namespace, name: this.#name };
    await this.#persist(() => this.#claims.create({ metadata, spec }), isAlreadyExists);
    const claim = await this.#until("the claim to be bound", async () => {
      const found = await this.#claims.get(metadata);
      return found.status?.phase === "Bound" && found;
    });
    const name = claim.spec.volumeName ?? "";
    const volume = await this.#until("the volume to be bound", async () => {
      const found = await this.#volumes.get({ name });
      return found.status?.phase === "Bound" && found;
    });
    this.#handle = volume.spec.csi?.volumeHandle ?? "";
  }

  async #mount(): Promise<void> {
    const block = this.#form === "block";
    const container = {
      name: "c",
      image: "c:1",
      ...(block
        ? { volumeDevices: [{ name: "data", devicePath: "/dev/data" }] }
        : { volumeMounts: [{ name: "data", mountPath: "/data" }] }),
    };
    const pod: Pod = {
      metadata: { namespace, name: this.#name },
      spec: {
        nodeName: NODE_NAME,
        automountServiceAccountToken: false,
        containers: [container],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: this.#name } }],
      },
    };
    await this.#persist(() => this.#pods.create(pod), isAlreadyExists);
    const running = await this.#until("the pod to run", async () => {
      const found = await this.#pods.get({ namespace, name: this.#name });
      return found.status?.phase === "Running" && found;
    });
    this.#podUid = running.metadata.uid ?? "";
  }

  async #askForMore(): Promise<void> {
    const name = { namespace, name: this.#name };
    const resources = { requests: { storage: "2Mi" } };
    await this.#persist(() => this.#claims.patch(name, "merge", { spec: { resources } }));
  }

  async #resizeState(): Promise<string | undefined> {
    const { status } = await this.#claims.get({ namespace, name: this.#name });
    return status?.allocatedResourceStatuses?.["storage"];
  }

  async #untilGrown(): Promise<void> {
    await this.#until("the claim to grow", async () => {
      const { status } = await this.#claims.get({ namespace, name: this.#name });
      return status?.capacity?.["storage"] === "2Mi";
    });
  }

  async #snapshot(): Promise<string> {
    const request = { name: `snapshot-${this.#name}`, sourceVolumeId: this.#handle };
    const { snapshot } = await this.#persist(async () => {
      const answer = await this.#controller.createSnapshot(request);
      if (!answer.snapshot) throw new Error("the driver answered without a snapshot");
      return answer;
    });
    return snapshot!.snapshotId;
  }

  async #unmount(): Promise<void> {
    const name = { namespace, name: this.#name };
    await this.#persist(() => this.#pods.delete(name), isNotFound);
    await this.#until(
      "the pod to be gone",
      async () => (await undefinedIfNotFound(this.#pods.get(name))) === undefined,
    );
    const attached = () => this.#stack.host.driver.attached()[this.#handle];
    await this.#until("the volume to be detached", async () => attached() === undefined);
  }

  async #delete(): Promise<void> {
    const place = { namespace, name: this.#name };
    const claim = await this.#until("the claim", () => this.#claims.get(place));
    await this.#persist(() => this.#claims.delete(place), isNotFound);
    await this.#until("the claim to be gone", async () => {
      const left = await undefinedIfNotFound(this.#claims.get(place));
      return left?.metadata.uid !== claim.metadata.uid;
    });
    const name = claim.spec.volumeName ?? "";
    await this.#until(
      "the volume to be gone",
      async () => (await undefinedIfNotFound(this.#volumes.get({ name }))) === undefined,
    );
  }

  /** Where the pod has the volume. */
  get #target(): string {
    const { kubeletDir } = this.#stack;
    const dir = join(kubeletDir, "pods", this.#podUid, "volumes/kubernetes.io~csi/data");
    return this.#form === "block" ? join(dir, "device") : join(dir, "mount", "file");
  }

  async #write(): Promise<void> {
    if (this.#form !== "block") return writeFile(this.#target, this.#text);
    const device = await open(this.#target, "r+");
    try {
      await device.write(Buffer.concat([Buffer.from(this.#text)], BLOCK_BYTES), 0, BLOCK_BYTES, 0);
      await device.sync();
    } finally {
      await device.close();
    }
  }

  async #requireData(when: string): Promise<void> {
    requireText(await headOf(this.#target), this.#text, `the pod's data ${when}`);
  }

  /** Reads what the driver keeps, which nothing has mounted. */
  async #requireContent(kind: "volumes" | "snapshots", id: string): Promise<void> {
    const content = join(this.#stack.dir, "driver", kind, id);
    const what = `${kind} ${id}`;
    if (this.#form === "block") return requireText(await headOf(content), this.#text, what);
    if (this.#form === "directory") {
      return requireText(await headOf(join(content, "file")), this.#text, what);
    }
    using mount = await openImage(content);
    requireText(await readFile(join(mount.path, "file"), "utf8"), this.#text, what);
  }

  get #claims() {
    return this.#stack.client.resource(PERSISTENT_VOLUME_CLAIMS);
  }

  get #volumes() {
    return this.#stack.client.resource(PERSISTENT_VOLUMES);
  }

  get #pods() {
    return this.#stack.client.resource(PODS);
  }

  get #controller() {
    return this.#stack.host.client(Controller);
  }

  /** Repeats a request until it succeeds, or its error says that it did before. */
  async #persist<T>(act: () => Promise<T>, done?: (thrown: unknown) => boolean): Promise<T> {
    const end_ms = clock.monotonic() + TIMEOUT_MS;
    for (;;) {
      try {
        return await act();
      } catch (thrown) {
        if (done?.(thrown)) return undefined as T;
        if (clock.monotonic() > end_ms) throw thrown;
        await delay(clock, RETRY_MS);
      }
    }
  }

  #until<T>(what: string, probe: () => Promise<T>) {
    return waitFor(`${this.#name}: ${what}`, probe, { timeout_ms: TIMEOUT_MS });
  }
}

async function headOf(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, 0);
    return buffer.toString("utf8", 0, bytesRead).replace(/\0+$/, "");
  } finally {
    await handle.close();
  }
}

function requireText(found: string, expected: string, what: string): void {
  if (found !== expected) throw new Error(`${what}: lost, it has ${JSON.stringify(found)}`);
}
