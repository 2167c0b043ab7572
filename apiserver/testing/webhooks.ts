import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { Answer } from "../../testing/apiserver/ask.ts";
import type { FileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { WebhookServer } from "../../testing/apiserver/webhook-server.ts";
import { waitFor } from "../../testing/wait.ts";

const GROUP = "/apis/admissionregistration.k8s.io/v1";
export const MAPS = "/api/v1/namespaces/default/configmaps";
const PLURALS = {
  validating: "validatingwebhookconfigurations",
  mutating: "mutatingwebhookconfigurations",
};

/** An AdmissionReview as a webhook gets it. */
export interface Review {
  apiVersion: string;
  request: {
    uid: string;
    operation: string;
    name?: string;
    namespace?: string;
    dryRun: boolean;
    kind: object;
    resource: object;
    requestKind: object;
    requestResource: object;
    subResource?: string;
    requestSubResource?: string;
    userInfo: { username: string; groups: string[] };
    object: Record<string, unknown> | null;
    oldObject: object | null;
    options: object | null;
  };
}

/** A webhook's answer that replaces the whole text. */
type Text = { text: string };

type Answers = (review: Review) => object | Text | Promise<object>;

/** The webhooks of a test file: one server, whose paths are the webhooks' names. */
export class WebhookKit {
  /** Answers of webhooks by name; by default they allow. Members of `response`. */
  readonly answers = new Map<string, Answers>();
  server!: WebhookServer;
  readonly #api: FileApiserver;
  #created: string[] = [];

  constructor(api: FileApiserver) {
    this.#api = api;
    beforeAll(async () => {
      this.server = await WebhookServer.start(({ path, body }, response) => {
        const review = JSON.parse(body) as Review;
        const answer = this.answers.get(path.slice(1).split("?")[0]!);
        void Promise.resolve(answer?.(review) ?? {}).then((given) => {
          const { apiVersion } = review;
          const { uid } = review.request;
          const whole = { uid, allowed: true, ...given };
          if ("text" in given) return void response.end(given.text);
          response.end(JSON.stringify({ apiVersion, kind: "AdmissionReview", response: whole }));
        });
      });
    });
    afterAll(async () => await this.server.close());
    beforeEach(() => void (this.server.calls.length = 0));
    afterEach(async () => {
      for (const path of this.#created) await api.ask(path, { method: "DELETE" });
      this.#created = [];
      this.answers.clear();
    });
  }

  /** Creates a configuration with one webhook, for objects that have its name as a label. */
  async configure(type: keyof typeof PLURALS, name: string, more: object = {}): Promise<string> {
    const webhook = {
      name: `${name}.example.com`,
      clientConfig: { url: `${this.server.url}/${name}`, caBundle: this.server.caBundle },
      rules: [rule()],
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      objectSelector: { matchLabels: { [name]: "yes" } },
      ...more,
    };
    const body = { metadata: { name }, webhooks: [webhook] };
    const answer = await this.#api.ask(`${GROUP}/${PLURALS[type]}`, { method: "POST", body });
    expect(answer.status, answer.body).toBe(201);
    const path = `${GROUP}/${PLURALS[type]}/${name}`;
    this.#created.push(path);
    return path;
  }

  /** Repeats a request until the webhook is asked: configurations come by the watch cache. */
  async active(
    name: string,
    probe: () => Promise<unknown> = () => this.post("probe", { [name]: "yes" }, "?dryRun=All"),
  ): Promise<void> {
    await waitFor(`webhook ${name}`, async () => {
      await probe();
      return this.calls.some(({ path }) => path.startsWith(`/${name}?`));
    });
    this.calls.length = 0;
  }

  /** Creates an object that has no more than metadata. */
  async post(name: string, labels: object, query = "", path = MAPS): Promise<Answer> {
    const body = { metadata: { name, labels } };
    return await this.#api.ask(`${path}${query}`, { method: "POST", body });
  }

  get calls(): WebhookServer["calls"] {
    return this.server.calls;
  }

  /** The names of the webhooks that were called. */
  get called(): string[] {
    return this.calls.map(({ path }) => path.slice(1).split("?")[0]!);
  }

  /** The newest request that a webhook was shown. */
  get asked(): Review["request"] {
    return (JSON.parse(this.calls.at(-1)!.body) as Review).request;
  }
}

export const rule = (more: object = {}): object => ({
  operations: ["*"],
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["configmaps"],
  ...more,
});

/** The answer of a webhook with a JSON patch. */
export const jsonPatch = (...operations: object[]): object => ({
  patchType: "JSONPatch",
  patch: Buffer.from(JSON.stringify(operations)).toString("base64"),
});

export const messageOf = ({ body }: Answer): string =>
  (JSON.parse(body) as { message: string }).message;
