import type { Call, Received, Sent } from "../transcripts/caller.ts";

const NS = "measured";
const HERE = `/api/v1/namespaces/${NS}`;
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const MERGE = "application/merge-patch+json";
const CONTAINERS = [{ name: "c", image: "i" }];
const PAGES = [
  "/healthz",
  "/livez",
  "/readyz",
  "/healthz/ping",
  "/version",
  "/openapi/v2",
  "/openapi/v3",
  "/api",
  "/apis",
];

/** Sends a server a little of everything, so that all its metrics have samples. */
export async function mixedLoad(call: Call): Promise<void> {
  const load = new Load(call);
  await load.post("/api/v1/namespaces", { metadata: { name: NS } });
  await load.post(`${HERE}/serviceaccounts`, { metadata: { name: "default" } });
  await Promise.all([load.watch(), load.readAndWrite()]);
  await load.get(`${HERE}/configmaps?watch=1&resourceVersion=0`, { lines: 1 });
  await load.callServices();
  await load.callPods();
  await load.askAsOthers();
  await load.askForRights();
  for (const page of PAGES) await load.get(page);
  await call("DELETE", `/api/v1/namespaces/${NS}`, {});
  await load.post(`${HERE}/configmaps`, { metadata: { name: "late" } });
}

class Load {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  get(path: string, sent: Sent = {}): Promise<Received> {
    return this.#call("GET", path, sent);
  }

  post(path: string, body: unknown, sent: Sent = {}): Promise<Received> {
    return this.#call("POST", path, { body, ...sent });
  }

  /** Watches any events, in requests that end by themselves. */
  async watch(): Promise<void> {
    const maps = `${HERE}/configmaps?watch=1&timeoutSeconds=2`;
    const listed =
      "sendInitialEvents=true&allowWatchBookmarks=true" + "&resourceVersionMatch=NotOlderThan";
    await Promise.all([
      this.get(`${maps}&resourceVersion=0`),
      this.get(maps, { accept: PROTOBUF }),
      this.get(`${maps}&${listed}`),
      this.get(`${maps}&resourceVersion=1`),
    ]);
  }

  async readAndWrite(): Promise<void> {
    const maps = `${HERE}/configmaps`;
    for (let i = 0; i < 6; i++) {
      const metadata = { name: `m${i}`, labels: { n: String(i % 2) } };
      await this.post(maps, { metadata, data: { a: "b" } });
    }
    for (const query of ["", "?limit=2", "?resourceVersion=0", "?labelSelector=n%3D1"]) {
      await this.get(`${maps}${query}`);
      await this.get(`${maps}${query}`, { accept: PROTOBUF });
    }
    const listed = jsonOf<Listed>(await this.get(`${maps}?limit=2`));
    await this.get(`${maps}?limit=2&continue=${encodeURIComponent(listed.metadata.continue)}`);
    await this.get(`${maps}?${exactly(listed)}`);
    await this.get(maps, { accept: TABLE });
    const bytes = (await this.get(`${maps}/m0`, { accept: PROTOBUF })).body;
    await this.#call("PUT", `${maps}/m0`, { body: bytes, type: PROTOBUF });
    for (const [type, body] of PATCHES) {
      await this.#call("PATCH", `${maps}/m1?fieldManager=load`, { type, body });
    }
    await this.#writeBadly(maps);
    const secret = { metadata: { name: "s" }, stringData: { a: "b" } };
    const posted = jsonOf<Listed>(await this.post(`${HERE}/secrets`, secret));
    await this.get(`${HERE}/secrets/s`);
    await this.#call("DELETE", `${maps}/m2`, {});
    // The cache of Secrets starts with this list, at a later revision: the store answers it.
    await this.get(`${HERE}/secrets?${exactly(posted)}`);
    await this.#call("DELETE", `${maps}?labelSelector=n%3D0`, {});
    await this.get("/api/v1/componentstatuses");
    const involvedObject = { namespace: NS };
    await this.post(`${HERE}/events`, { metadata: { name: "e" }, involvedObject });
    // The store is ahead of this cache, which must ask how far its watch is.
    await this.get(maps);
  }

  async #writeBadly(maps: string): Promise<void> {
    for (const level of ["Strict", "Warn", "Ignore"]) {
      const metadata = { name: `v-${level.toLowerCase()}` };
      await this.post(`${maps}?fieldValidation=${level}`, { metadata, dta: {} });
    }
    await this.post(maps, { metadata: { name: "m0" } });
    await this.post(maps, { metadata: { name: "Not A Name" } });
    await this.post(`${maps}?dryRun=All`, { metadata: { name: "dry" } });
    await this.post(maps, "{broken");
    await this.get(`${maps}/none`);
    await this.get("/apis/apps/v1beta1/deployments");
  }

  async callServices(): Promise<void> {
    const services = `${HERE}/services`;
    const make = (name: string, spec: object) => this.post(services, { metadata: { name }, spec });
    const ports = [{ port: 80 }];
    await make("any", { ports });
    await make("asked", { clusterIP: "10.96.0.99", ports });
    await make("again", { clusterIP: "10.96.0.99", ports });
    await make("node", { type: "NodePort", ports });
    const wanted = { type: "NodePort", ports: [{ port: 80, nodePort: 30_099 }] };
    await make("node-asked", wanted);
    await make("node-again", wanted);
    await this.#call("DELETE", `${services}/any`, {});
  }

  async callPods(): Promise<void> {
    const pods = `${HERE}/pods`;
    const make = (name: string, more: object = {}) =>
      this.post(pods, { metadata: { name }, spec: { containers: CONTAINERS, ...more } });
    const limits = [{ type: "Container", max: { cpu: "1" } }];
    await this.post(`${HERE}/limitranges`, { metadata: { name: "r" }, spec: { limits } });
    const hard = { secrets: "0" };
    await this.post(`${HERE}/resourcequotas`, { metadata: { name: "q" }, spec: { hard } });
    await make("p");
    await make("q", { priorityClassName: "none" });
    await this.get(`${pods}/p/log`);
    await this.get(pods);
    await this.#enforce("restricted");
    await make("refused", { hostNetwork: true });
    await this.#enforce("privileged");
    const metadata = { name: "p" };
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata };
    await this.post(`${pods}/p/eviction`, eviction);
  }

  async #enforce(level: string): Promise<void> {
    const labels = { "pod-security.kubernetes.io/enforce": level };
    const body = { metadata: { labels } };
    await this.#call("PATCH", `/api/v1/namespaces/${NS}`, { type: MERGE, body });
  }

  async askAsOthers(): Promise<void> {
    const pods = `${HERE}/pods`;
    const bearer = (token: string) => ({
      anonymous: true,
      headers: { authorization: `Bearer ${token}` },
    });
    await this.get(pods, { anonymous: true });
    await this.get(pods, bearer("nobody's"));
    const asked = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
    const { status } = jsonOf<{ status: { token: string } }>(
      await this.post(`${HERE}/serviceaccounts/default/token`, asked),
    );
    for (let i = 0; i < 3; i++) await this.get(pods, bearer(status.token));
    await this.get(pods, { headers: { "impersonate-user": "somebody" } });
    await this.get("/api", { headers: { "impersonate-user": "somebody" } });
    const node = { "impersonate-user": "system:node:n", "impersonate-group": "system:nodes" };
    await this.get("/api/v1/nodes/n", { headers: node });
    const review = { ...asked, kind: "TokenReview", spec: { token: status.token } };
    await this.post("/apis/authentication.k8s.io/v1/tokenreviews", review);
  }

  async askForRights(): Promise<void> {
    const apiVersion = "authorization.k8s.io/v1";
    const resourceAttributes = { verb: "get", resource: "pods", namespace: NS };
    const ask = (kind: string, more: object) => {
      const spec = { resourceAttributes, ...more };
      return this.post(`/apis/${apiVersion}/${kind.toLowerCase()}s`, { apiVersion, kind, spec });
    };
    await ask("SelfSubjectAccessReview", {});
    await ask("SubjectAccessReview", { user: "u" });
  }
}

interface Listed {
  metadata: { continue: string; resourceVersion: string };
}

const exactly = ({ metadata }: Listed) =>
  `resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`;

const jsonOf = <T>({ body }: Received): T => JSON.parse(body.toString("utf8")) as T;

const PATCHES: readonly (readonly [string, string])[] = [
  [MERGE, '{"data":{"b":"c"}}'],
  ["application/strategic-merge-patch+json", '{"data":{"c":"d"}}'],
  ["application/json-patch+json", '[{"op":"add","path":"/data/d","value":"e"}]'],
  [
    "application/apply-patch+yaml",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m1}\ndata: {e: f}",
  ],
];
