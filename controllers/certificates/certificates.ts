import type { SubjectAccessReview } from "@raft2kube/api/gen/authorization/v1.ts";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { CERTIFICATE_SIGNING_REQUESTS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { startLoop } from "../loop.ts";
import {
  autoApprovals,
  CLIENT,
  certificateTerms,
  conditionOf,
  joiningNode,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  keptFor,
  signingProblem,
} from "./plan.ts";

const ACCOUNT = "certificate-controller";
const APPROVING = "certificatesigningrequest-approving-controller";
const SIGNING = "certificatesigningrequest-signing-controller";
const CLEANING = "certificatesigningrequest-cleaner-controller";
const SIGNERS = [CLIENT, KUBELET_CLIENT, KUBELET_SERVING];
const GROUP = "certificates.k8s.io";

type Request = CertificateSigningRequest;

/**
 * Approves the requests of kubelets that may have it so. Not upstream's: a bootstrap token gets no
 * certificate in the name of a Node that exists, whose identity it would take over.
 */
export function startApproving(context: ControllerContext): Running {
  const client = context.client(ACCOUNT);
  const writer = client.resource(CERTIFICATE_SIGNING_REQUESTS);
  const nodes = context.informers.of(NODES);
  const recorder = context.recorder(ACCOUNT, APPROVING);
  return startRequests(context, APPROVING, nodes, async (request) => {
    const decided = conditionOf(request, "Approved") ?? conditionOf(request, "Denied");
    if (decided || request.spec.signerName !== KUBELET_CLIENT) return;
    const { readRequest } = await import("@raft2kube/pki/certificate.ts");
    const subject = await tolerate(readRequest(pemOf(request)), errno("BAD_CSR"));
    if (subject === undefined) return;
    const node = joiningNode(request, subject);
    if (node !== undefined && nodes.store.get(node)) {
      const why = `Node ${node} exists: delete it first, or approve the request by hand`;
      return recorder.record(request, "Warning", "NodeExists", why);
    }
    for (const { subresource, message } of autoApprovals(request, subject)) {
      if (!(await isAllowed(client, request, subresource))) continue;
      const condition = { type: "Approved", status: "True", reason: "AutoApproved", message };
      const approved = withCondition(request, condition, context.clock.now());
      await writer.updateSubresource(nameOf(request), "approval", approved);
      return;
    }
  });
}

/** Signs what was approved, for the signers that are ours. */
export function startSigning(context: ControllerContext): Running {
  const { clusterSigning } = context.settings;
  const writer = context.client(ACCOUNT).resource(CERTIFICATE_SIGNING_REQUESTS);
  return startRequests(context, SIGNING, undefined, async (request) => {
    const { spec, status } = request;
    if (!clusterSigning || !SIGNERS.includes(spec.signerName) || status?.certificate) return;
    const approved = conditionOf(request, "Approved");
    if (!approved || conditionOf(request, "Denied") || conditionOf(request, "Failed")) return;
    const now_ms = context.clock.now();
    const signed = await sign(clusterSigning, request, now_ms);
    if ("certificate" in signed) {
      await writer.updateStatus({ ...request, status: { ...status, ...signed } });
      return;
    }
    const condition = { type: "Failed", status: "True", reason: "SignerValidationFailure" };
    await writer.updateStatus(withCondition(request, { ...condition, ...signed }, now_ms));
  });
}

/** Returns the certificate that a request asks for, or why its signer does not sign it. */
async function sign(
  ca: KeyPair,
  request: Request,
  now_ms: number,
): Promise<{ certificate: string } | { message: string }> {
  const { readRequest, signRequest } = await import("@raft2kube/pki/certificate.ts");
  const { signerName, usages = [] } = request.spec;
  try {
    const message = signingProblem(signerName, await readRequest(pemOf(request)), usages);
    if (message !== undefined) return { message };
    const pem = await signRequest(ca, pemOf(request), { ...certificateTerms(request), now_ms });
    return { certificate: Buffer.from(pem).toString("base64") };
  } catch (thrown) {
    if (isErrno(thrown, "BAD_CSR")) return { message: messageOf(thrown) };
    throw thrown;
  }
}

/** Removes requests that are finished, or were never approved or denied. */
export function startCleaning(context: ControllerContext): Running {
  const writer = context.client(ACCOUNT).resource(CERTIFICATE_SIGNING_REQUESTS);
  return startRequests(context, CLEANING, undefined, async (request) => {
    const left_ms = keptFor(request, context.clock.now());
    if (left_ms > 0) return { again_ms: left_ms };
    await deleteRequest(writer, request);
  });
}

/** A request's key in a queue, in which requesters take turns as namespaces do. */
const keyIn = ({ metadata, spec }: Request): string =>
  `${encodeURIComponent((spec.username ?? "").toWellFormed())}/${metadata.name}`;

/**
 * Starts a controller of requests; with `nodes` it reconsiders all requests when a Node is deleted.
 */
function startRequests(
  context: ControllerContext,
  name: string,
  nodes: Informer<Node> | undefined,
  reconcile: (request: Request) => Promise<{ again_ms: number } | void>,
): Running {
  const requests = context.informers.of(CERTIFICATE_SIGNING_REQUESTS);
  const loop = startLoop(context, {
    queue: "certificate",
    name,
    reads: nodes ? [requests, nodes] : [requests],
    reconcile: async (key) => {
      const request = requests.store.get(key.slice(key.indexOf("/") + 1));
      return request ? reconcile(request) : undefined;
    },
  });
  const look = (request: Request) => loop.queue.add(keyIn(request));
  requests.handle({ added: look, updated: look, deleted: look });
  nodes?.handle({ added() {}, updated() {}, deleted: () => requests.store.list().forEach(look) });
  return loop;
}

async function deleteRequest(writer: ResourceClient<Request>, request: Request): Promise<void> {
  const { uid } = request.metadata;
  await undefinedIfNotFound(writer.delete(nameOf(request), { preconditions: { uid } }));
}

const pemOf = ({ spec }: Request): string => Buffer.from(spec.request, "base64").toString("utf8");

function withCondition(
  request: Request,
  condition: { type: string; status: string; reason: string; message: string },
  now_ms: number,
): Request {
  const now = timeText(now_ms);
  const conditions = request.status?.conditions ?? [];
  const added = { ...condition, lastUpdateTime: now, lastTransitionTime: now };
  return { ...request, status: { ...request.status, conditions: [...conditions, added] } };
}

/** Whether the requester may have such a certificate without manual approval. */
async function isAllowed(
  client: KubeClient,
  { spec }: Request,
  subresource: string,
): Promise<boolean> {
  const { username = "", groups = [], uid, extra } = spec;
  const resource = "certificatesigningrequests";
  const review = await client.request<SubjectAccessReview>({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: username,
        groups,
        uid,
        extra,
        resourceAttributes: { group: GROUP, resource, verb: "create", version: "*", subresource },
      },
    },
  });
  return review.status?.allowed === true;
}
