import type {
  Event,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
} from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import {
  EVENTS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import type { ControlPlane } from "./control-plane.ts";

const namespace = "default";
const ASKED = "volume.kubernetes.io/storage-provisioner";
const ASKED_BETA = "volume.beta.kubernetes.io/storage-provisioner";
const MIGRATED_TO = "pv.kubernetes.io/migrated-to";

type Until = <T>(what: string, probe: () => Promise<T>) => Promise<unknown>;

/** Objects for rules of a volume binder and the controllers that protect what it binds. */
class Claims {
  readonly #plane: () => ControlPlane;
  readonly until: Until;

  constructor(plane: () => ControlPlane, until: Until) {
    this.#plane = plane;
    this.until = until;
  }

  get claims() {
    return this.#plane().admin.resource(PERSISTENT_VOLUME_CLAIMS);
  }

  get volumes() {
    return this.#plane().admin.resource(PERSISTENT_VOLUMES);
  }

  get pods() {
    return this.#plane().admin.resource(PODS);
  }

  get classes() {
    return this.#plane().admin.resource(STORAGE_CLASSES);
  }

  claim(
    name: string,
    more: Partial<PersistentVolumeClaimSpec>,
    annotations: Record<string, string> = {},
  ): Promise<PersistentVolumeClaim> {
    return this.claims.create({
      metadata: { namespace, name, annotations },
      spec: {
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Gi" } },
        ...more,
      },
    });
  }

  volume(
    name: string,
    more: Partial<PersistentVolumeSpec> = {},
    annotations: Record<string, string> = {},
  ): Promise<PersistentVolume> {
    return this.volumes.create({
      metadata: { name, annotations },
      spec: {
        storageClassName: name,
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        csi: { driver: "csi.example.com", volumeHandle: name },
        ...more,
      },
    });
  }

  /** A volume and a claim of one name, once they are bound. */
  async bound(
    name: string,
    more: Partial<PersistentVolumeSpec>,
    annotations?: Record<string, string>,
  ): Promise<void> {
    await this.volume(name, more, annotations);
    await this.claim(name, { storageClassName: name });
    await this.untilPhase(name, "Bound");
  }

  untilPhase(name: string, phase: string): Promise<unknown> {
    return this.until(
      `claim ${name} to be ${phase}`,
      async () => (await this.claims.get({ namespace, name })).status?.phase === phase,
    );
  }

  untilVolume(name: string, phase: string): Promise<unknown> {
    return this.until(
      `volume ${name} to be ${phase}`,
      async () => (await this.volumes.get({ name })).status?.phase === phase,
    );
  }

  async event(name: string, reason: string): Promise<Event> {
    const events = this.#plane().admin.resource(EVENTS);
    let found: Event | undefined;
    await this.until(`${reason} about ${name}`, async () => {
      const { items } = await events.list({ namespace });
      found = items.find((each) => each.reason === reason && each.involvedObject.name === name);
      return found !== undefined;
    });
    return found!;
  }

  async deleteClaim(name: string): Promise<void> {
    await this.claims.delete({ namespace, name });
    await this.until(
      `claim ${name} to be gone`,
      async () => (await undefinedIfNotFound(this.claims.get({ namespace, name }))) === undefined,
    );
  }
}

/** Rules of the volume binder and of the protection of claims; upstream's keeps them too. */
export function claimRules(plane: () => ControlPlane, until: Until): void {
  const storage = new Claims(plane, until);
  inTreeRules(storage);
  reclaimRules(storage);
  defaultClassRules(storage);
  populatorRules(storage);
  protectionRules(storage);
}

function inTreeRules(storage: Claims): void {
  it("asks the CSI driver of an in-tree provisioner", async () => {
    await storage.classes.create({
      metadata: { name: "ebs" },
      provisioner: "kubernetes.io/aws-ebs",
    });
    await storage.claim("ebs", { storageClassName: "ebs" });
    const { message } = await storage.event("ebs", "ExternalProvisioning");
    expect(message).toContain("external provisioner 'ebs.csi.aws.com'");
    const { annotations } = (await storage.claims.get({ namespace, name: "ebs" })).metadata;
    expect(annotations).toEqual({ [ASKED]: "ebs.csi.aws.com", [ASKED_BETA]: "ebs.csi.aws.com" });
  });

  it.each(["kubernetes.io/glusterfs", "kubernetes.io/rbd"])("refuses %s by name", async (of) => {
    const name = of.replace("kubernetes.io/", "");
    await storage.classes.create({ metadata: { name }, provisioner: of });
    await storage.claim(name, { storageClassName: name });
    const { message, type } = await storage.event(name, "ProvisioningFailed");
    expect([type, message]).toEqual(["Warning", `no volume plugin matched name: ${of}`]);
  });

  it("notes on what an in-tree provisioner has, or had, to do which driver does it", async () => {
    await storage.claim("old", { storageClassName: "none" }, { [ASKED]: "kubernetes.io/gce-pd" });
    const volume = { gcePersistentDisk: { pdName: "disk" } };
    const by = { "pv.kubernetes.io/provisioned-by": "kubernetes.io/gce-pd" };
    await storage.volume("old", { csi: undefined!, ...volume }, by);
    for (const kind of [storage.claims, storage.volumes]) {
      await storage.until("the driver's name", async () => {
        const { metadata } = await kind.get({ namespace, name: "old" });
        return metadata.annotations?.[MIGRATED_TO] === "pd.csi.storage.gke.io";
      });
    }
  });
}

function reclaimRules(storage: Claims): void {
  it("recycles no volume that cannot be recycled", async () => {
    await storage.bound("recycled", { persistentVolumeReclaimPolicy: "Recycle" });
    await storage.deleteClaim("recycled");
    await storage.untilVolume("recycled", "Failed");
    expect((await storage.event("recycled", "VolumeFailedRecycle")).type).toBe("Warning");
  });

  it("reports that a volume without a provisioner cannot be deleted", async () => {
    const nfs = { csi: undefined!, nfs: { server: "s", path: "/" } };
    await storage.bound("static", { persistentVolumeReclaimPolicy: "Delete", ...nfs });
    await storage.deleteClaim("static");
    await storage.untilVolume("static", "Failed");
    const { message } = await storage.event("static", "VolumeFailedDelete");
    expect(message).toBe(
      'error getting deleter volume plugin for volume "static": ' +
        "no deletable volume plugin matched",
    );
  });

  it.each([
    ["its provisioner", { "pv.kubernetes.io/provisioned-by": "csi.example.com" }],
    ["its driver", {}],
  ])("leaves the deletion of a volume to %s", async (_whose, by) => {
    const name = `deleted-${Object.keys(by).length}`;
    await storage.bound(name, { persistentVolumeReclaimPolicy: "Delete" }, by);
    await storage.deleteClaim(name);
    await storage.untilVolume(name, "Released");
  });
}

function defaultClassRules(storage: Claims): void {
  it("gives a class that became the default to claims that have none", async () => {
    await storage.claim("classless", {});
    await storage.claim("none-wanted", { storageClassName: "" });
    await storage.event("classless", "FailedBinding");
    await storage.event("none-wanted", "FailedBinding");
    const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
    const provisioner = "csi.example.com";
    await storage.classes.create({ metadata: { name: "preset", annotations }, provisioner });
    const classOf = async (name: string) =>
      (await storage.claims.get({ namespace, name })).spec.storageClassName;
    await storage.until("the class", async () => (await classOf("classless")) === "preset");
    await storage.event("classless", "ExternalProvisioning");
    expect(await classOf("none-wanted")).toBe("");
    await storage.classes.delete({ name: "preset" });
  });
}

function populatorRules(storage: Claims): void {
  it("binds a claim to the volume that its populator has filled for another", async () => {
    const dataSourceRef = { apiGroup: "example.com", kind: "Book", name: "b" };
    const wanted = await storage.claim("populated", { storageClassName: "filled", dataSourceRef });
    await storage.volume("filled", { claimRef: { namespace, name: "prime" } });
    await storage.claim("prime", { storageClassName: "filled" });
    await storage.untilPhase("prime", "Bound");
    const { uid, resourceVersion } = wanted.metadata;
    const claimRef = { namespace, name: "populated", uid, resourceVersion };
    await storage.volumes.patch({ name: "filled" }, "merge", { spec: { claimRef } });
    await storage.untilPhase("populated", "Bound");
    await storage.untilPhase("prime", "Lost");
    await storage.event("prime", "ClaimMisbound");
    const { spec } = await storage.claims.get({ namespace, name: "populated" });
    expect(spec.volumeName).toBe("filled");
  });
}

function protectionRules(storage: Claims): void {
  it("keeps no claim of an ephemeral volume for a pod that only finalizers keep", async () => {
    const volumeClaimTemplate = {
      spec: {
        storageClassName: "unheard-of",
        accessModes: ["ReadWriteOnce" as const],
        resources: { requests: { storage: "1Gi" } },
      },
    };
    await storage.pods.create({
      metadata: { namespace, name: "brief", finalizers: ["example.com/kept"] },
      spec: {
        nodeName: "n1",
        containers: [{ name: "c", image: "web:1" }],
        volumes: [{ name: "scratch", ephemeral: { volumeClaimTemplate } }],
      },
    });
    const name = { namespace, name: "brief-scratch" };
    await storage.until(
      "the claim",
      async () => (await undefinedIfNotFound(storage.claims.get(name))) !== undefined,
    );
    await storage.pods.delete({ namespace, name: "brief" }, { gracePeriodSeconds: 0 });
    await storage.claims.delete(name);
    await storage.until(
      "the claim to be gone",
      async () => (await undefinedIfNotFound(storage.claims.get(name))) === undefined,
    );
    const patch = { metadata: { finalizers: null } };
    await storage.pods.patch({ namespace, name: "brief" }, "merge", patch);
  });
}
