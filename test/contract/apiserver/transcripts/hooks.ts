import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";

/** How a path of the server answers, as a script's `serve` has it. */
export interface Serving {
  /** 200 if it is missing. */
  readonly status?: number;
  readonly delay_ms?: number;
  /** The body: a text as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * The response of an admission review. Its uid is the request's unless it has one, and a patch
   * that is an array is encoded in base64.
   */
  readonly response?: Readonly<Record<string, unknown>>;
  /** Members that a conversion puts over those of each object, by the desired version. */
  readonly converts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A request that the server got. */
export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * An HTTPS server on loopback that plays the webhooks, and the API servers behind an APIService, of
 * one case.
 */
export interface Hooks {
  readonly port: number;
  /** The bundle by which its certificate is verified, in base64. */
  readonly ca: string;
  serve(path: string, serving: Serving): void;
  /** Requests to a path since it was last asked for, in the order of arrival. */
  received(path: string): Got[];
  close(): Promise<void>;
}

/** Headers that a server adds for those behind it. */
const HEADERS = ["content-type", "accept", "x-remote-user", "x-remote-group"];

interface Review {
  apiVersion: string;
  kind: string;
  request: { uid: string; desiredAPIVersion?: string; objects?: Record<string, unknown>[] };
}

export async function startHooks(): Promise<Hooks> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "hooks-ca", days: 1, now_ms });
  const names = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };
  const subject = { commonName: "hooks", days: 1, usages: ["server" as const], ...names };
  const served = new Map<string, Serving>();
  const got = new Map<string, Got[]>();
  const server = createServer(await issueCertificate(ca, subject, now_ms), (request, response) => {
    answer(request, response, served, got).catch((thrown: unknown) => {
      response.writeHead(500).end(String(thrown));
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  return {
    port: (server.address() as AddressInfo).port,
    ca: Buffer.from(ca.cert).toString("base64"),
    serve: (path, serving) => void served.set(path, serving),
    received(path) {
      const requests = got.get(path) ?? [];
      got.delete(path);
      return requests;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  served: ReadonlyMap<string, Serving>,
  got: Map<string, Got[]>,
): Promise<void> {
  const { method = "", url = "", headers } = request;
  const [path = ""] = url.split("?");
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  const body = text === "" ? undefined : (JSON.parse(text) as Review);
  const kept = HEADERS.flatMap((name) => (name in headers ? [[name, String(headers[name])]] : []));
  const each: Got = {
    method,
    path: url,
    headers: Object.fromEntries(kept) as Got["headers"],
    ...(body === undefined ? {} : { body }),
  };
  got.set(path, [...(got.get(path) ?? []), each]);
  const serving = served.get(path) ?? { status: 404, body: "no such path" };
  if (serving.delay_ms !== undefined) await delay(systemClock(), serving.delay_ms);
  const { status = 200, headers: more } = serving;
  const said =
    body === undefined || serving.body !== undefined ? serving.body : reviewed(body, serving);
  const isText = typeof said === "string";
  const type = isText ? "text/plain" : "application/json";
  response.writeHead(status, { "content-type": type, ...more });
  response.end(isText ? said : JSON.stringify(said ?? {}));
}

/** The answer to an AdmissionReview or a ConversionReview. */
function reviewed({ apiVersion, kind, request }: Review, { response, converts }: Serving): object {
  const { uid, desiredAPIVersion = "", objects = [] } = request;
  if (kind === "ConversionReview" && converts !== undefined) {
    const convertedObjects = objects.map((object) => ({
      ...object,
      ...converts[desiredAPIVersion],
      apiVersion: desiredAPIVersion,
    }));
    const result = { status: "Success" };
    return { apiVersion, kind, response: { uid, result, convertedObjects } };
  }
  const patch = Array.isArray(response?.["patch"])
    ? { patch: Buffer.from(JSON.stringify(response["patch"])).toString("base64") }
    : {};
  return { apiVersion, kind, response: { uid, ...response, ...patch } };
}
