/**
 * Kinds that are stored with their metadata checked, and that nothing acts on yet. Each has its
 * columns here until it gets a file of its own.
 */
import { ageColumn, column, nameColumn, NONE } from "./columns.ts";
import { defineKind } from "./define.ts";
import type { Column, Kind, KubeObject } from "./kind.ts";
import type {
  MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
} from "./gen/admissionregistration/v1.ts";
import type { CustomResourceDefinition } from "./gen/apiextensions/v1.ts";
import type { APIService } from "./gen/apiregistration/v1.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "./gen/flowcontrol/v1.ts";
import type { ResourceClaim, ResourceSlice } from "./gen/resource/v1.ts";
import type { VolumeAttributesClass } from "./gen/storage/v1.ts";
import type { PodTemplate } from "./gen/core/v1.ts";
import { mapCell } from "./columns.ts";

type Hooks = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
type Policy = MutatingAdmissionPolicy | ValidatingAdmissionPolicy;
type PolicyBinding = MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding;

const hookColumns: Column<Hooks>[] = [
  nameColumn,
  column("Webhooks", (object) => (object.webhooks ?? []).length, { type: "integer" }),
  ageColumn,
];

function paramKindCell({ spec }: Policy): string {
  const kind = spec.paramKind;
  return kind === undefined ? "<unset>" : `${kind.apiVersion}/${kind.kind}`;
}

function paramRefCell({ spec }: PolicyBinding): string {
  const ref = spec.paramRef;
  if (ref === undefined) return "<unset>";
  if ((ref.name ?? "") === "") return "*/*";
  return (ref.namespace ?? "") === "" ? `*/${ref.name}` : `${ref.namespace}/${ref.name}`;
}

const bindingColumns: Column<PolicyBinding>[] = [
  nameColumn,
  column("PolicyName", (object) => object.spec.policyName ?? ""),
  column("ParamRef", paramRefCell),
  ageColumn,
];

const ADMISSION = "is stored, but admission does not call it yet";
const DEVICES = "is stored, but devices are not allocated by claims yet";
const FAIRNESS = "is stored, but requests are not queued by it yet";

/** Kinds that are replaced only by someone who names the version that was read. */
const CONDITIONAL = /^(admissionregistration|apiextensions|apiregistration)\//;

/** A kind of which only the metadata is checked. */
function stored<T extends KubeObject>(
  schema: string, what: string, columns?: readonly Column<T>[], generation?: "spec" | "content",
): Kind<T> {
  const kind = schema.slice(schema.indexOf(".") + 1);
  return defineKind<T>(schema, {
    notActedOn: `${kind} ${what}`,
    unconditionalUpdate: !CONDITIONAL.test(schema),
    ...(columns === undefined ? {} : { columns }),
    ...(generation === undefined ? {} : { generation }),
  });
}

const ADMISSION_KINDS: readonly Kind[] = [
  stored<MutatingWebhookConfiguration>("admissionregistration/v1.MutatingWebhookConfiguration",
    ADMISSION, hookColumns, "content"),
  stored<ValidatingWebhookConfiguration>("admissionregistration/v1.ValidatingWebhookConfiguration",
    ADMISSION, hookColumns, "content"),
  stored<MutatingAdmissionPolicy>("admissionregistration/v1.MutatingAdmissionPolicy", ADMISSION, [
    nameColumn,
    column("Mutations", (object) => (object.spec.mutations ?? []).length, { type: "integer" }),
    column("ParamKind", paramKindCell), ageColumn,
  ], "spec"),
  stored<ValidatingAdmissionPolicy>("admissionregistration/v1.ValidatingAdmissionPolicy",
    ADMISSION, [
      nameColumn,
      column("Validations", (object) => (object.spec.validations ?? []).length,
        { type: "integer" }),
      column("ParamKind", paramKindCell), ageColumn,
    ], "spec"),
  stored<MutatingAdmissionPolicyBinding>("admissionregistration/v1.MutatingAdmissionPolicyBinding",
    ADMISSION, bindingColumns, "spec"),
  stored<ValidatingAdmissionPolicyBinding>(
    "admissionregistration/v1.ValidatingAdmissionPolicyBinding", ADMISSION, bindingColumns, "spec"),
];

const FLOW_KINDS: readonly Kind[] = [
  stored<FlowSchema>("flowcontrol/v1.FlowSchema", FAIRNESS, [
    nameColumn,
    column("PriorityLevel", ({ spec }) => spec.priorityLevelConfiguration.name),
    column("MatchingPrecedence", ({ spec }) => spec.matchingPrecedence ?? 0),
    column("DistinguisherMethod", ({ spec }) => spec.distinguisherMethod?.type ?? NONE),
    ageColumn,
    column("MissingPL", ({ status }) =>
      status?.conditions?.find((each) => each.type === "Dangling")?.status ?? "?"),
  ], "spec"),
  stored<PriorityLevelConfiguration>("flowcontrol/v1.PriorityLevelConfiguration", FAIRNESS, [
    nameColumn,
    column("Type", ({ spec }) => spec.type),
    column("NominalConcurrencyShares", ({ spec }) =>
      spec.limited?.nominalConcurrencyShares ?? NONE),
    column("Queues", ({ spec }) => spec.limited?.limitResponse?.queuing?.queues ?? NONE),
    column("HandSize", ({ spec }) => spec.limited?.limitResponse?.queuing?.handSize ?? NONE),
    column("QueueLengthLimit", ({ spec }) =>
      spec.limited?.limitResponse?.queuing?.queueLengthLimit ?? NONE),
    ageColumn,
  ], "spec"),
];

function claimState({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp !== undefined) states.push("deleted");
  if (status?.allocation === undefined) {
    if (metadata.deletionTimestamp === undefined) states.push("pending");
  } else {
    states.push("allocated");
    if ((status.reservedFor ?? []).length > 0) states.push("reserved");
  }
  return states.join(",");
}

const DEVICE_KINDS: readonly Kind[] = [
  stored("resource/v1.DeviceClass", DEVICES, undefined, "spec"),
  stored("resource/v1.ResourceClaimTemplate", DEVICES),
  stored<ResourceClaim>("resource/v1.ResourceClaim", DEVICES,
    [nameColumn, column("State", claimState), ageColumn]),
  stored<ResourceSlice>("resource/v1.ResourceSlice", DEVICES, [
    nameColumn,
    column("Node", ({ spec }) => spec.nodeName ?? ""),
    column("Driver", ({ spec }) => spec.driver),
    column("Pool", ({ spec }) => spec.pool.name),
    ageColumn,
  ], "spec"),
];

/** Everything stored and not acted on that has no file of its own. */
export const UNUSED_KINDS: readonly Kind[] = [
  ...ADMISSION_KINDS, ...FLOW_KINDS, ...DEVICE_KINDS,
  stored<CustomResourceDefinition>("apiextensions/v1.CustomResourceDefinition",
    "is stored, but its resources are not served yet", [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null, { type: "date" }),
    ], "spec"),
  stored<APIService>("apiregistration/v1.APIService",
    "is stored, but requests are not passed on to other servers yet", [
      nameColumn,
      column("Service", ({ spec }) => spec.service === undefined
        ? "Local" : `${spec.service.namespace}/${spec.service.name}`),
      column("Available", ({ status }) =>
        status?.conditions?.find((each) => each.type === "Available")?.status ?? "Unknown"),
      ageColumn,
    ]),
  stored<VolumeAttributesClass>("storage/v1.VolumeAttributesClass",
    "is stored, but volumes are not modified by it yet", [
      nameColumn, column("DriverName", (object) => object.driverName), ageColumn,
    ]),
  stored<PodTemplate>("core/v1.PodTemplate", "is stored, but nothing uses it", [
    nameColumn,
    column("Containers", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.name).join(",")),
    column("Images", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.image ?? "").join(",")),
    column("Pod Labels", ({ template }) => mapCell(template?.metadata?.labels)),
  ], "content"),
];
