import { planCreateVolume } from "@raft2kube/csi/drivers/hostpath/create-volume.ts";
import { deleteVolume, makeVolume, openDriver } from "@raft2kube/csi/drivers/hostpath/driver.ts";
import { VOLUMES_MAX } from "@raft2kube/csi/drivers/hostpath/limits.ts";
import type { HostPathState } from "@raft2kube/csi/drivers/hostpath/state.ts";
import { VolumeContents } from "@raft2kube/csi/drivers/hostpath/volume-contents.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  CreateVolumeRequest,
  PluginCapability_VolumeExpansion_Type as Expansion,
  VolumeCapability_AccessMode_Mode as Mode,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { capability, MIB } from "../csi-driver.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { NODE, WRITER, withDriver } from "./driver.ts";

const BLOCK = { block: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };

/** The specification's name of a value. */
function nameIn(names: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.keys(names).find((name) => names[name] === value) ?? `unknown (${value})`;
}

check("Identity: the name, the services, ready", () =>
  withDriver(async ({ identity }) => {
    const why = "the kubelet and the provisioner ask before anything else, and call only these";
    const { name } = await identity.getPluginInfo({});
    mustEqual(name, "hostpath.csi.r2k.dev", { when: "GetPluginInfo", why });
    const { capabilities } = await identity.getPluginCapabilities({});
    const types = capabilities.map(({ service, volumeExpansion }) => {
      if (service) return nameIn(Service, service.type);
      return `expansion ${nameIn(Expansion, volumeExpansion?.type)}`;
    });
    const expected = [
      "CONTROLLER_SERVICE",
      "GROUP_CONTROLLER_SERVICE",
      "VOLUME_ACCESSIBILITY_CONSTRAINTS",
      "expansion ONLINE",
    ];
    mustEqual(types.sort(), expected.sort(), { when: "GetPluginCapabilities", why });
    const { ready } = await identity.probe({});
    mustEqual(ready?.value ?? true, true, { when: "Probe", why });
  }),
);

check("CreateVolume: the same name is the same volume", () =>
  withDriver(async (driver) => {
    const why = "the provisioner repeats the call until it has an answer: one claim, one volume";
    const first = await driver.create({ name: "pvc-1" });
    const again = await driver.create({ name: "pvc-1" });
    mustEqual(again.volumeId, first.volumeId, { when: "CreateVolume pvc-1, twice", why });
    const large = driver.create({ name: "pvc-1", capacityRange: { requiredBytes: 9_000 * MIB } });
    await mustRefuse(large, Status.ALREADY_EXISTS, {
      when: "pvc-1 has 1 MiB, and is wanted with 9000 MiB",
      why: "the caller would believe that it has them",
    });
    const { volumeId } = await driver.create({ name: "pvc-2" });
    const clone = driver.create({ name: "pvc-1", volumeContentSource: { volume: { volumeId } } });
    await mustRefuse(clone, Status.ALREADY_EXISTS, {
      when: "pvc-1 is empty, and is wanted as a copy of pvc-2",
      why: "the pod would find other data than its claim asked for",
    });
    const block = driver.create({ name: "pvc-1", volumeCapabilities: [BLOCK] });
    await mustRefuse(block, Status.ALREADY_EXISTS, {
      when: "pvc-1 is a file system, and is wanted as a block device",
      why: "the node could not publish it as that",
    });
    const { entries } = await driver.controller.listVolumes({});
    mustEqual(entries.length, 2, { when: "ListVolumes, after pvc-1 and pvc-2", why });
  }),
);

check("CreateVolume: two calls at once make one volume", () =>
  withDriver(async (driver) => {
    const results = await Promise.allSettled([1, 2, 3].map(() => driver.create({ name: "pvc-1" })));
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      const { reason } = result as { reason: RpcError };
      judge(reason.status === Status.ABORTED, {
        when: "CreateVolume pvc-1, while the same call is under way",
        expected: "the volume, or ABORTED: the caller tries again later",
        happened: `${reason.code}: ${reason.message}`,
        why: "any other code makes the provisioner report a failure to the claim",
      });
    }
    const { entries } = await driver.controller.listVolumes({});
    mustEqual(entries.length, 1, {
      when: "CreateVolume pvc-1, three times at once; ListVolumes",
      why: "a second volume belongs to no claim: nothing will ever delete it",
    });
  }),
);

const MANY_NODES = capability(Mode.MULTI_NODE_MULTI_WRITER);
const elsewhere = { requisite: [{ segments: { "topology.hostpath.csi.r2k.dev/node": "node-2" } }] };
const preferred = { preferred: elsewhere.requisite };

/** Requests that are refused, and with which status. */
const REFUSED: readonly (readonly [string, Init<CreateVolumeRequest>, number])[] = [
  ["no name", { name: "" }, Status.INVALID_ARGUMENT],
  ["a name of 129 characters", { name: "x".repeat(129) }, Status.INVALID_ARGUMENT],
  ["no capability", { volumeCapabilities: [] }, Status.INVALID_ARGUMENT],
  ["writers on many nodes", { volumeCapabilities: [MANY_NODES] }, Status.INVALID_ARGUMENT],
  [
    "2 bytes, 1 at most",
    { capacityRange: { requiredBytes: 2, limitBytes: 1 } },
    Status.OUT_OF_RANGE,
  ],
  [
    "a copy of nothing known",
    { volumeContentSource: { volume: { volumeId: "no" } } },
    Status.NOT_FOUND,
  ],
  [
    "a parameter that the driver does not know",
    { parameters: { speed: "fast" } },
    Status.INVALID_ARGUMENT,
  ],
  [
    "a mutable parameter that it does not know",
    { mutableParameters: { speed: "fast" } },
    Status.INVALID_ARGUMENT,
  ],
  ["another node's", { accessibilityRequirements: elsewhere }, Status.RESOURCE_EXHAUSTED],
];

check("CreateVolume: what cannot be is refused, each with its status", () =>
  withDriver(async (driver) => {
    for (const [when, request, status] of REFUSED) {
      await mustRefuse(driver.create({ name: "pvc-1", ...request }), status, {
        when: `CreateVolume with ${when}`,
        why: "the caller decides by the status: give up, another node, or try again",
      });
    }
    await mustPass(driver.create({ name: "near", accessibilityRequirements: preferred }), {
      when: "CreateVolume, with another node preferred, but not required",
      expected: "a volume",
      why: "a preference excludes nothing",
    });
  }),
);

check("CreateVolume: as large as its source, and reachable from here alone", () =>
  withDriver(async (driver) => {
    const source = await driver.create({ name: "a", capacityRange: { requiredBytes: 7 * MIB } });
    const { volumeId } = source;
    const volumeContentSource = { volume: { volumeId } };
    const copy = await driver.create({ name: "b", volumeContentSource, capacityRange: undefined });
    judge(copy.capacityBytes >= 7 * MIB, {
      when: "a copy, of any size, of a volume of 7 MiB",
      expected: "7 MiB at least",
      happened: `${copy.capacityBytes / MIB} MiB`,
      why: "the content would not fit",
    });
    const again = await driver.create({ name: "b", volumeContentSource, capacityRange: undefined });
    mustEqual(again.volumeId, copy.volumeId, {
      when: "the same copy again",
      why: "the record must have the source, or the repeated call is refused for ever",
    });
    await mustRefuse(driver.create({ name: "c", volumeContentSource }), Status.OUT_OF_RANGE, {
      when: "a copy of 1 MiB of a volume of 7 MiB",
      why: "the content does not fit, and a smaller copy is not what was asked for",
    });
    const segments = copy.accessibleTopology.map((topology) => topology.segments);
    mustEqual(segments, [{ "topology.hostpath.csi.r2k.dev/node": NODE }], {
      when: "the accessible topology of a volume",
      why: "the scheduler puts the Pod on a node from which its volume can be reached",
    });
  }),
);

check("CreateVolume: the driver holds so many volumes, and no more", () => {
  const volumes = Object.fromEntries(
    Array.from({ length: VOLUMES_MAX }, (_, i) => [
      `v${i}`,
      { id: `v${i}`, name: `n${i}`, capacity_bytes: MIB, block: false, ephemeral: false },
    ]),
  );
  const request = CreateVolumeRequest.decode(
    CreateVolumeRequest.encode({ name: "one-more", volumeCapabilities: [WRITER] }),
  );
  const state = { volumes, snapshots: {}, groups: {} } as unknown as HostPathState;
  let status = "a volume";
  try {
    planCreateVolume(state, request, { topologyKey: "k", nodeId: NODE });
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    status = thrown.code;
  }
  mustEqual(status, "RESOURCE_EXHAUSTED", {
    when: `CreateVolume, with ${VOLUMES_MAX} volumes`,
    why: "the record of all volumes is one file, which is written with each change",
  });
});

/** Notes the sizes that contents grow to while it is there. */
class Growth implements Disposable {
  readonly sizes: number[] = [];
  readonly #grow = VolumeContents.prototype.grow;

  constructor() {
    const [sizes, grow] = [this.sizes, this.#grow];
    VolumeContents.prototype.grow = function (id, capacity_bytes) {
      sizes.push(capacity_bytes);
      return grow.call(this, id, capacity_bytes);
    };
  }

  [Symbol.dispose](): void {
    VolumeContents.prototype.grow = this.#grow;
  }
}

check("ControllerExpandVolume: grows, can be repeated, never shrinks", () =>
  withDriver(async (driver) => {
    using growth = new Growth();
    const { volumeId } = await driver.create({ name: "a" });
    const expand = (requiredBytes: number, limitBytes = 0) =>
      driver.controller.controllerExpandVolume({
        volumeId,
        capacityRange: { requiredBytes, limitBytes },
      });
    for (const size of [5, 5, 2]) {
      const { capacityBytes } = await expand(size * MIB);
      mustEqual(capacityBytes, 5 * MIB, {
        when: `a volume is expanded to 5, 5, 2 MiB; now to ${size}`,
        why: "data beyond the end of a smaller volume would be lost",
      });
    }
    mustEqual(growth.sizes[0], 5 * MIB, {
      when: "a volume is expanded to 5 MiB; the size that its content was made to grow to",
      why: "a larger record of a file system that has not grown is a lie: writes fail with ENOSPC",
    });
    const why = "the caller set a limit that the volume is above";
    await mustRefuse(expand(MIB, 2 * MIB), Status.OUT_OF_RANGE, {
      when: "it has 5 MiB, and is wanted with 2 at most",
      why,
    });
    const unknown = driver.controller.controllerExpandVolume({
      volumeId: "no",
      capacityRange: { requiredBytes: MIB, limitBytes: 0 },
    });
    await mustRefuse(unknown, Status.NOT_FOUND, { when: "an unknown volume", why: "CSI spec" });
    const nothing = driver.controller.controllerExpandVolume({ volumeId });
    await mustRefuse(nothing, Status.INVALID_ARGUMENT, {
      when: "ControllerExpandVolume without a capacity range",
      why: "CSI spec: it is required",
    });
    await driver.restart();
    const { volume } = await driver.controller.controllerGetVolume({ volumeId });
    mustEqual(volume?.capacityBytes, 5 * MIB, {
      when: "its size after a restart of the driver",
      why: "the answer was a promise",
    });
  }),
);

check("ValidateVolumeCapabilities: confirms, or explains", () =>
  withDriver(async (driver) => {
    const { volumeId } = await driver.create({ name: "a" });
    const validate = driver.controller.validateVolumeCapabilities;
    const asked = { volumeContext: { a: "1" }, parameters: { b: "2" } };
    const yes = await validate({ volumeId, volumeCapabilities: [WRITER], ...asked });
    const { volumeCapabilities = [], volumeContext, parameters } = yes.confirmed ?? {};
    mustEqual([volumeCapabilities.length, { volumeContext, parameters }], [1, asked], {
      when: "one writer on one node, with a context and parameters",
      why: "confirmed has what was asked for: what is not in it was not confirmed",
    });
    const no = await mustPass(validate({ volumeId, volumeCapabilities: [WRITER, MANY_NODES] }), {
      when: "ValidateVolumeCapabilities of writers on many nodes",
      expected: "an answer that confirms nothing",
      why: "the question can be answered; it is the capability that cannot be had",
    });
    judge(no.confirmed === undefined && no.message !== "", {
      when: "writers on many nodes",
      expected: "not confirmed, with a message",
      happened: no.confirmed ? "confirmed" : "no message",
      why: "the message is all that the caller can show to a person",
    });
    const block = await validate({ volumeId, volumeCapabilities: [BLOCK] });
    judge(block.confirmed === undefined, {
      when: "a volume with a file system, as a block device",
      expected: "not confirmed",
      happened: "confirmed",
      why: "a volume is one or the other from its creation on",
    });
    const unknown = validate({ volumeId: "no", volumeCapabilities: [WRITER] });
    await mustRefuse(unknown, Status.NOT_FOUND, { when: "an unknown volume", why: "CSI spec" });
    for (const missing of [{ volumeId: "" }, { volumeCapabilities: [] }]) {
      const call = validate({ volumeId, volumeCapabilities: [WRITER], ...missing });
      await mustRefuse(call, Status.INVALID_ARGUMENT, {
        when: `ValidateVolumeCapabilities without ${Object.keys(missing).join()}`,
        why: "CSI spec: it is required",
      });
    }
  }),
);

check("DeleteVolume: again, and of what never was, is success", () =>
  withDriver(async (driver) => {
    const { volumeId } = await driver.create({ name: "a" });
    for (const id of [volumeId, volumeId, "never", "../volumes", "__proto__"]) {
      await mustPass(driver.controller.deleteVolume({ volumeId: id }), {
        when: `DeleteVolume of ${id === volumeId ? "a volume, twice" : id}`,
        expected: "success",
        why: "the provisioner repeats it until it succeeds, and keeps the PV until then",
      });
    }
    const { entries } = await driver.controller.listVolumes({});
    mustEqual(entries.length, 0, { when: "ListVolumes", why: "what was deleted is gone" });
    await driver.create({ name: "kept" });
    await driver.restart();
    const after = await driver.controller.listVolumes({});
    mustEqual(after.entries.length, 1, {
      when: "one volume deleted, one created, the driver restarted; ListVolumes",
      why: "an answer is a promise that a crash does not break",
    });
  }),
);

check("a crash between disk and record: no record without content", () =>
  withDriver(async (own) => {
    const steps: string[] = [];
    const place = { topologyKey: "k", nodeId: NODE };
    const opened = await openDriver({
      dataDir: own.path("other"),
      place,
      clock: systemClock(),
      form: "directory",
    });
    const contents = new (class extends VolumeContents {
      override async create(...words: Parameters<VolumeContents["create"]>) {
        await super.create(...words);
        steps.push("content made");
      }
      override async remove(...words: Parameters<VolumeContents["remove"]>) {
        steps.push("content removed");
        await super.remove(...words);
      }
    })(own.path("other"), "directory");
    const change = opened.state.change.bind(opened.state);
    opened.state.change = async (next) => {
      await change(next);
      steps.push("record written");
    };
    const driver = { ...opened, contents };
    const volume = { id: "v", name: "v", capacity_bytes: MIB, block: false, ephemeral: false };
    await makeVolume(driver, volume);
    await deleteVolume(driver, "v");
    const expected = ["content made", "record written", "record written", "content removed"];
    mustEqual(steps, expected, {
      when: "a volume is made and deleted: the steps",
      why:
        "after a power failure between two of them a content without a record is removed at the " +
        "start; a record without content is a volume whose data are lost",
    });
  }),
);
