import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
} from "@raft2kube/api/gen/networking/v1.ts";
import type { Refusal } from "@raft2kube/client-kube/events/refusals.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { given } from "@raft2kube/std/given.ts";
import {
  BACKENDS_OF_NAMESPACE_MAX,
  CERTIFICATE_BYTES_OF_NAMESPACE_MAX,
  CERTIFICATES_OF_NAMESPACE_MAX,
  HOSTS_OF_NAMESPACE_MAX,
  PATH_CHARS_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
  REFUSALS_OF_NAMESPACE_MAX,
  SERVERS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { isPath, type Options, readAnnotations } from "./annotations.ts";
import { Bounds, serversOf } from "./bounds.ts";
import { outOfTime, readPair } from "./certificates.ts";
import type { Backend, Certificate, Filter, Pair, PathRule, Site } from "./model.ts";
import { byAge, claim, recordedOwners, recordOf } from "./owners.ts";
import { type Services, Targets } from "./targets.ts";

/** The objects that the plan reads. */
export interface IngressInput {
  readonly ingresses: readonly Ingress[];
  readonly classes: readonly IngressClass[];
  readonly services: Services;
  secret(key: string): Secret | undefined;
  /** Name of this controller in classes. */
  readonly controller: string;
  readonly now_ms: number;
  /** The namespaces that hosts belonged to by the plan before; undefined: it is the first. */
  readonly owners: ReadonlyMap<string, string> | undefined;
  /**
   * The owners of a former process, by `recordOf`. They count for the first plan alone: the record
   * is written later than planned, and leaves out what exceeds its bounds.
   */
  readonly record?: Readonly<Record<string, string>> | undefined;
  /** Certificate for clients that ask for no name that has one. */
  readonly fallback: Pair;
}

export interface IngressPlan {
  readonly sites: readonly Site[];
  readonly certificates: readonly Certificate[];
  readonly backends: ReadonlyMap<string, Backend>;
  readonly refusals: readonly Refusal[];
  readonly owners: ReadonlyMap<string, string>;
  /** The Ingresses that this controller serves. */
  readonly served: readonly Ingress[];
}

const DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/**
 * Plans the sites of all Ingresses of this controller's classes, the older ones first: the first
 * has a host for its namespace, and a path for itself. A host stays its namespace's while an
 * Ingress there names it, of any class: neither an older Ingress that is changed later nor a class
 * that is deleted and made again gives it to others. Pure.
 */
export function planIngresses(input: IngressInput): IngressPlan {
  const live = input.ingresses.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const served = live.filter((ingress) => isServed(ingress, input)).sort(byAge);
  const plan = new Planner(input);
  const former = input.owners ?? recordedOwners(input.record);
  for (const ingress of live) plan.keep(ingress, former);
  for (const ingress of served) plan.add(ingress);
  plan.refuseUnrecorded(served);
  return { ...plan.result(), served };
}

/** The hosts that an Ingress names; the empty one stands for rules without a host. */
const hostsOf = ({ spec: { rules = [], tls = [], defaultBackend } }: Ingress): string[] => [
  ...rules.map(({ host = "" }) => host),
  ...tls.flatMap(({ hosts: named = [] }) => named),
  ...(defaultBackend ? [""] : []),
];

/** Whether an Ingress has a class of this controller; one without takes the default class. */
function isServed({ metadata, spec }: Ingress, { classes, controller }: IngressInput): boolean {
  const name = spec.ingressClassName ?? metadata.annotations?.[CLASS_ANNOTATION];
  const own = classes.filter((each) => each.spec.controller === controller);
  if (name !== undefined) return own.some((each) => each.metadata.name === name);
  // Of several default classes the newest counts, as upstream's admission does.
  const defaults = classes.filter((each) => each.metadata.annotations?.[DEFAULT_CLASS] === "true");
  const newest = defaults.toSorted((a, b) => byAge(b, a))[0];
  return newest !== undefined && own.includes(newest);
}

class Planner {
  readonly #input: IngressInput;
  readonly #owners = new Map<string, string>();
  readonly #sites = new Map<string, { rules: Map<string, PathRule>; rest?: PathRule }>();
  readonly #backends = new Map<string, Backend>();
  readonly #certificates = new Map<string, Certificate>();
  readonly #certified = new Set<string>();
  readonly #refusals: Refusal[] = [];
  readonly #bounds = new Bounds();
  readonly #targets: Targets;

  constructor(input: IngressInput) {
    this.#input = input;
    this.#targets = new Targets(input.services);
  }

  /** Restores the hosts of an Ingress that were its namespace's so far. */
  keep(ingress: Ingress, former: ReadonlyMap<string, string>): void {
    const { namespace = "" } = ingress.metadata;
    for (const host of hostsOf(ingress)) {
      if (former.get(host) !== namespace || this.#owners.has(host)) continue;
      if (this.#mayOwn(namespace)) this.#owners.set(host, namespace);
    }
  }

  /** Refuses the record of the hosts that exceed its bounds. */
  refuseUnrecorded(ingresses: readonly Ingress[]): void {
    const recorded = recordedOwners(recordOf(this.#owners));
    for (const ingress of ingresses) {
      const { namespace = "" } = ingress.metadata;
      for (const host of new Set(hostsOf(ingress))) {
        if (this.#owners.get(host) !== namespace || recorded.has(host)) continue;
        const message =
          `host ${host || "(none)"}: the record is full; ` +
          "after a restart of the controller the oldest Ingress has it";
        this.#refuse(ingress, "HostNotRecorded", message);
      }
    }
  }

  add(ingress: Ingress): void {
    const { metadata, spec } = ingress;
    const { options, problems } = readAnnotations(metadata.annotations ?? {});
    for (const problem of problems) this.#refuse(ingress, "BadAnnotation", problem);
    const rest = spec.defaultBackend && this.#backend(ingress, spec.defaultBackend, options, []);
    const isWhole = spec.rules === undefined || spec.rules.length === 0;
    if (rest && isWhole) this.#addRest(ingress, "", rest);
    for (const { host = "", http } of spec.rules ?? []) {
      if (!this.#claim(ingress, host)) continue;
      for (const path of http?.paths ?? []) this.#addPath(ingress, host, path, options);
      if (rest || !http) this.#addRest(ingress, host, rest);
    }
    this.#addCertificates(ingress);
  }

  result(): Omit<IngressPlan, "served"> {
    return {
      sites: [...this.#sites].map(
        ([host, { rules, rest }]): Site => ({
          host,
          paths: [...rules.values(), ...(rest ? [rest] : [])],
        }),
      ),
      certificates: [{ ...this.#input.fallback, hosts: [] }, ...this.#certificates.values()],
      backends: this.#backends,
      refusals: this.#refusals,
      owners: this.#owners,
    };
  }

  #claim(ingress: Ingress, host: string): boolean {
    const { namespace = "" } = ingress.metadata;
    const isNew = !this.#owners.has(host);
    const owner = claim(this.#owners, host, namespace);
    if (owner === undefined) {
      if (!isNew || this.#mayOwn(namespace)) return true;
      this.#owners.delete(host);
      this.#refuse(ingress, "TooMany", tooMany(HOSTS_OF_NAMESPACE_MAX, "hosts"));
      return false;
    }
    const which = host === "" ? "rules without a host are" : `host ${host} is`;
    this.#refuse(ingress, "HostTaken", `${which} another namespace's, which was first`);
    return false;
  }

  #mayOwn(namespace: string): boolean {
    const taken = this.#bounds.take([`hosts of ${namespace}`, 1, HOSTS_OF_NAMESPACE_MAX]);
    return taken === undefined;
  }

  #addPath(ingress: Ingress, host: string, from: HTTPIngressPath, options: Options): void {
    const { path = "/", pathType } = from;
    if (!isPath(path)) {
      const shown = JSON.stringify(path.slice(0, 64));
      return this.#refuse(ingress, "BadPath", `${shown} is not a path as clients send it`);
    }
    const kind = pathType === "Exact" ? "exact" : "prefix";
    const plain = kind === "prefix" && path.endsWith("/") ? path.slice(0, -1) : path;
    const { rules } = this.#siteOf(host);
    const key = `${kind} ${plain}`;
    if (rules.has(key)) {
      return this.#refuse(ingress, "PathTaken", `${host}${path} is another rule's already`);
    }
    const chars = host.length + plain.length;
    const fits = this.#count(
      ingress,
      ["paths", 1, PATHS_OF_NAMESPACE_MAX],
      ["characters of paths", chars, PATH_CHARS_OF_NAMESPACE_MAX],
    );
    if (!fits) return;
    const filters: Filter[] =
      options.rewrite === undefined
        ? []
        : kind === "exact"
          ? [{ kind: "path", value: options.rewrite }]
          : [{ kind: "prefix", length: plain.length, value: options.rewrite }];
    const backend = this.#backend(ingress, from.backend, options, filters);
    rules.set(key, { kind, path: plain, conditions: [], backend });
  }

  /** The backend of all paths of a host that no rule names. */
  #addRest(ingress: Ingress, host: string, backend: string | undefined): void {
    if (host === "" && !this.#claim(ingress, "")) return;
    const site = this.#siteOf(host);
    if (backend !== undefined) site.rest ??= { kind: "prefix", path: "", conditions: [], backend };
  }

  #siteOf(host: string) {
    const site = this.#sites.get(host) ?? { rules: new Map<string, PathRule>() };
    this.#sites.set(host, site);
    return site;
  }

  /** Returns the name of the backend that a rule names; one that is refused answers with 503. */
  #backend(
    ingress: Ingress,
    from: IngressBackend,
    options: Options,
    filters: readonly Filter[],
  ): string {
    const { namespace = "" } = ingress.metadata;
    const { service } = from;
    const key = `${namespace}/${service?.name ?? ""}`;
    const port = service?.port?.name ?? service?.port?.number ?? 0;
    const { timeout_ms, bodyBytesMax } = options;
    const extras = JSON.stringify([filters, timeout_ms, bodyBytesMax]);
    const plain = extras === "[[],null,null]" ? "" : `:${digest(extras)}`;
    const name = `${namespace}:${service?.name ?? ""}:${port}${plain}`;
    const isUnknown = service && !this.#targets.knows(key, port);
    // Each is looked for among all ports of its Service, and its endpoints are collected.
    if (isUnknown && !this.#count(ingress, ["ports of Services", 1, BACKENDS_OF_NAMESPACE_MAX])) {
      return this.#nothing();
    }
    const found = service
      ? this.#targets.of(key, port)
      : { problem: "resource backends are not supported", isMissing: false };
    if ("problem" in found) this.#refuse(ingress, "BadBackend", found.problem);
    if (this.#backends.has(name)) return name;
    const target = "problem" in found ? { endpoints: [], isHttp2: false } : found;
    const fits = this.#count(
      ingress,
      ["backends", 1, BACKENDS_OF_NAMESPACE_MAX],
      ["servers", serversOf(target), SERVERS_OF_NAMESPACE_MAX],
    );
    if (!fits) return this.#nothing();
    this.#backends.set(name, {
      name,
      namespace,
      targets: [{ weight: 1, ...target }],
      filters,
      ...given({ timeout_ms, bodyBytesMax }),
    });
    return name;
  }

  #nothing(): string {
    const targets = [{ weight: 1, endpoints: [], isHttp2: false }];
    this.#backends.set("nothing", { name: "nothing", targets, filters: [] });
    return "nothing";
  }

  /** The first certificate that names no hosts is for those of all rules: others have none left. */
  #addCertificates(ingress: Ingress): void {
    const { rules = [], tls = [] } = ingress.spec;
    let ofRules: string[] | undefined = rules.flatMap(({ host }) => host || []);
    for (const { hosts = [], secretName = "" } of tls) {
      const named: string[] | undefined = hosts.length > 0 ? hosts : ofRules;
      if (secretName === "" || named === undefined) continue;
      const pair = this.#pair(ingress, secretName);
      if (pair === undefined) continue;
      if (named === ofRules) ofRules = undefined;
      this.#certify(ingress, pair, named);
    }
  }

  #pair(ingress: Ingress, secretName: string): Pair | undefined {
    const { namespace = "" } = ingress.metadata;
    const pair = readPair(this.#input.secret(`${namespace}/${secretName}`));
    const about = `Secret ${secretName}`;
    if ("problem" in pair) {
      this.#refuse(ingress, "BadCertificate", `${about}: ${pair.problem}`);
      return undefined;
    }
    const late = outOfTime(pair, this.#input.now_ms);
    if (late) this.#refuse(ingress, "CertificateOutOfTime", `${about}: ${late}`);
    return pair;
  }

  #certify(ingress: Ingress, { id, pem }: Pair, named: readonly string[]): void {
    const free = named.filter((host) => this.#claim(ingress, host) && !this.#certified.has(host));
    if (free.length === 0) return;
    const known = this.#certificates.get(id);
    const fits = this.#count(
      ingress,
      ["certificates", 1, CERTIFICATES_OF_NAMESPACE_MAX],
      ["bytes of certificates", known ? 0 : pem.length, CERTIFICATE_BYTES_OF_NAMESPACE_MAX],
    );
    if (!fits) return;
    for (const host of free) this.#certified.add(host);
    this.#certificates.set(id, { id, pem, hosts: [...(known?.hosts ?? []), ...free] });
  }

  /** Takes amounts of the namespace's bounds: all, or none and refuses. */
  #count(ingress: Ingress, ...amounts: [what: string, amount: number, most: number][]): boolean {
    const ofNamespace = (what: string) => `${what} of ${ingress.metadata.namespace}`;
    const excess = this.#bounds.take(
      ...amounts.map(([what, amount, most]) => [ofNamespace(what), amount, most] as const),
    );
    for (const [what, , most] of amounts) {
      if (ofNamespace(what) === excess) this.#refuse(ingress, "TooMany", tooMany(most, what));
    }
    return excess === undefined;
  }

  /** Refuses a part of an Ingress, of which the first ones are named. */
  #refuse({ metadata }: Ingress, reason: string, message: string): void {
    const own = `refusals of ${metadata.namespace}`;
    if (this.#bounds.take([own, 1, REFUSALS_OF_NAMESPACE_MAX]) !== undefined) return;
    const about = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata };
    this.#refusals.push({ about, reason, message });
  }
}

const tooMany = (most: number, what: string) => `the namespace has more than ${most} ${what}`;
