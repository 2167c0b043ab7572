import { type Amounts, podAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import type { Container, LimitRange, LimitRangeItem } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { compareQuantity, milliValueOf } from "@raft2kube/std/quantity.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";
import { ObjectsIn } from "./objects-in.ts";

const ANNOTATION = "kubernetes.io/limit-ranger";

interface Claim extends KubeObject {
  spec: { resources?: { requests?: Amounts } };
}

/** Fills in and bounds the resources of pods and claims as their namespace's LimitRanges say. */
export function limitRanger(context: AdmissionContext): AdmissionPlugin {
  const ranges = context.resources.of("v1", "limitranges");
  const rangesIn = new ObjectsIn(ranges, context.clock);
  const itemsFor = async (namespace: string): Promise<LimitRangeItem[][]> =>
    (await rangesIn.of(namespace)).map(
      (entry) => entry.shared<LimitRange & KubeObject>().spec?.limits ?? [],
    );
  return {
    name: "LimitRanger",
    async admit(request) {
      rangesIn.watch(request);
      if (!isAbout(request) || !concernsPods(request)) return;
      for (const items of await itemsFor(request.namespace)) fillIn(request.object as Pod, items);
    },
    async validate(request) {
      if (!isAbout(request)) return;
      for (const items of await itemsFor(request.namespace)) {
        const faults = concernsPods(request)
          ? items.flatMap((item) => faultsOfPod(item, request.object as Pod))
          : items.flatMap((item) => faultsOfClaim(item, request.object as Claim));
        const [first] = faults;
        if (first !== undefined) throw refusal(request, aggregateOf(faults));
      }
    },
  };
}

const concernsPods = ({ resource }: AdmissionRequest): boolean => resource.kind.plural === "pods";

/** Pods cannot change their resources but by resizing; claims can. */
function isAbout(request: AdmissionRequest): boolean {
  const { operation, old } = request;
  if (old?.metadata.deletionTimestamp !== undefined || request.object === undefined) return false;
  if (concerns(request, "", "pods")) return operation === "CREATE";
  if (concerns(request, "", "pods", "resize")) return operation === "UPDATE";
  const changes = operation === "CREATE" || operation === "UPDATE";
  return changes && concerns(request, "", "persistentvolumeclaims");
}

function fillIn(pod: Pod, items: readonly LimitRangeItem[]): void {
  const ofContainers = items.filter(({ type }) => type === "Container");
  const limits: Amounts = Object.assign({}, ...ofContainers.map((item) => item.default));
  const requests: Amounts = Object.assign({}, ...ofContainers.map((item) => item.defaultRequest));
  const notes = [
    ...pod.spec.containers.flatMap((each) => fillContainer(each, "container", requests, limits)),
    ...(pod.spec.initContainers ?? []).flatMap((each) =>
      fillContainer(each, "init container", requests, limits),
    ),
  ];
  if (notes.length === 0) return;
  const text = `LimitRanger plugin set: ${notes.join("; ")}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION]: text };
}

function fillContainer(
  container: Container,
  title: string,
  requests: Amounts,
  limits: Amounts,
): string[] {
  const given = container.resources ?? {};
  const missing = (known: Amounts | undefined, wanted: Amounts) =>
    Object.keys(wanted).filter((name) => !Object.hasOwn(known ?? {}, name));
  const newRequests = missing(given.requests, requests).sort();
  const newLimits = missing(given.limits, limits).sort();
  if (newRequests.length > 0) given.requests = { ...requests, ...given.requests };
  if (newLimits.length > 0) given.limits = { ...limits, ...given.limits };
  container.resources = given;
  const note = (names: string[], what: string) =>
    names.length === 0 ? [] : [`${names.join(", ")} ${what} for ${title} ${container.name}`];
  return [...note(newRequests, "request"), ...note(newLimits, "limit")];
}

function faultsOfPod(item: LimitRangeItem, { spec }: Pod): string[] {
  if (item.type === "Pod") {
    return faults(item, podAmounts(spec, "requests"), podAmounts(spec, "limits"));
  }
  if (item.type !== "Container") return [];
  return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources = {} }) =>
    faults(item, resources.requests ?? {}, resources.limits ?? {}),
  );
}

function faults(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const { type = "", min = {}, max = {}, maxLimitRequestRatio: ratio = {} } = item;
  return [
    ...Object.entries(min).map(([name, bound]) => belowMin(type, name, bound, requests, limits)),
    ...Object.entries(max).map(([name, bound]) => aboveMax(type, name, bound, requests, limits)),
    ...Object.entries(ratio).map(([name, bound]) => beyond(type, name, bound, requests, limits)),
  ].filter((fault) => fault !== undefined);
}

function faultsOfClaim(item: LimitRangeItem, { spec }: Claim): string[] {
  const { type = "", min = {}, max = {} } = item;
  if (type !== "PersistentVolumeClaim") return [];
  const requests = spec.resources?.requests ?? {};
  return [
    ...Object.entries(min).map(([name, bound]) => belowMin(type, name, bound, requests, {})),
    ...Object.entries(max).map(([name, bound]) => {
      const head = `maximum ${name} usage per ${type} is ${bound}`;
      const asked = requests[name];
      if (asked === undefined) return `${head}.  No request is specified`;
      return compareQuantity(asked, bound) > 0 ? `${head}, but request is ${asked}` : undefined;
    }),
  ].filter((fault) => fault !== undefined);
}

type Check = (
  type: string,
  name: string,
  bound: string,
  requests: Amounts,
  limits: Amounts,
) => string | undefined;

const belowMin: Check = (type, name, bound, requests, limits) => {
  const head = `minimum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (request === undefined) return `${head}.  No request is specified`;
  if (compareQuantity(request, bound) < 0) return `${head}, but request is ${request}`;
  if (limit === undefined || compareQuantity(limit, bound) >= 0) return undefined;
  return `${head}, but limit is ${limit}`;
};

const aboveMax: Check = (type, name, bound, requests, limits) => {
  const head = `maximum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (limit === undefined) return `${head}.  No limit is specified`;
  if (compareQuantity(limit, bound) > 0) return `${head}, but limit is ${limit}`;
  if (request === undefined || compareQuantity(request, bound) <= 0) return undefined;
  return `${head}, but request is ${request}`;
};

const beyond: Check = (type, name, bound, requests, limits) => {
  const head = `${name} max limit to request ratio per ${type} is ${bound}`;
  const request = milliValueOf(requests[name] ?? "0");
  const limit = milliValueOf(limits[name] ?? "0");
  if (request === 0) return `${head}, but no request is specified or request is 0`;
  if (limit === 0) return `${head}, but no limit is specified or limit is 0`;
  const ratio = limit / request;
  if (ratio * 1000 <= milliValueOf(bound)) return undefined;
  return `${head}, but provided ratio is ${ratio.toFixed(6)}`;
};
