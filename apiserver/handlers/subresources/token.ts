import { invalid as invalidField, required } from "@raft2kube/api/errors.ts";
import type { TokenRequest as Question } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, conflict, invalid, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { trackUpdate } from "@raft2kube/apimachinery/managed-fields/track.ts";
import type { Tracked } from "@raft2kube/apimachinery/managed-fields/tracked.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { admissionRequest } from "../../admission/plugin.ts";
import type { BoundObject, KubernetesClaims } from "../../authn/token-claims.ts";
import { issueToken } from "../../authn/token-issuer.ts";
import { TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN } from "../../limits.ts";
import { objectAnswer } from "../../request/answer.ts";
import type { RequestInfo } from "../../request/request-info.ts";
import type { ApiServer, Serve } from "../server.ts";
import { readObject, writeOptionsOf } from "../write-request.ts";

type TokenRequest = KubeObject & { spec?: Partial<Question["spec"]>; status?: Question["status"] };

const KIND = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };
const SUBJECT = { group: KIND.group, name: KIND.kind };
const DEFAULT_SECONDS = 3_600;
/** Annotation of the audit event by which a token that is used leads back to its request. */
const ISSUED = "authentication.kubernetes.io/issued-credential-id";

/** Upstream tracks managedFields even of an object that is not stored. */
const TRACKED: Tracked = {
  apiVersion: "authentication.k8s.io/v1",
  schema: "authentication/v1.TokenRequest",
  ignored: [],
  elsewhere: () => undefined,
};

/**
 * POST serviceaccounts/NAME/token: a signed token for the account, bound to the object that the
 * request names.
 */
export const serveToken: Serve = async (server, resource, context) => {
  const { info } = context;
  const options = writeOptionsOf(context);
  const form = { kind: KIND, schema: TRACKED.schema };
  const request = await readObject<TokenRequest>(context, form, options);
  const account = await resource.store.get<KubeObject>(info.namespace, info.name);
  checkIdentity(request, info);
  const now_ms = server.clock.now();
  settleLifetime(request);
  const writer = {
    manager: options.fieldManager,
    operation: "Update",
    subresource: options.subresource,
    now_ms,
  } as const;
  trackUpdate(TRACKED, request, undefined, writer);
  request.metadata = {
    ...request.metadata,
    name: info.name,
    namespace: info.namespace,
    ...(account.metadata.uid === undefined ? {} : { uid: account.metadata.uid }),
    creationTimestamp: timeText(now_ms),
  };
  const admitted = admissionRequest("CREATE", resource, info, { object: request }, options);
  await server.admission.admit(admitted);
  const lifetime_s = settleLifetime(request);
  await server.admission.validate(admitted);
  const spec = (request.spec ??= {});
  const audiences = spec.audiences?.length ? spec.audiences : server.tokens.audiences;
  spec.audiences = [...audiences];
  const claims = await claimsFor(server, account, spec.boundObjectRef);
  const { token, expires_ms, id } = await issueToken(server.tokens, claims, audiences, {
    now_ms: server.clock.now(),
    lifetime_s,
  });
  context.audit?.annotations.add(ISSUED, `JTI=${id}`);
  request.status = { token, expirationTimestamp: timeText(expires_ms) };
  return objectAnswer(request, undefined, 201);
};

/** Throws when the body is of another account than the path. */
function checkIdentity({ metadata }: TokenRequest, { name, namespace }: RequestInfo): void {
  const given = metadata.name || name;
  if (given !== name) {
    const why = "must match the service account name if specified";
    throw invalid(SUBJECT, name, [invalidField("metadata.name", given, why)]);
  }
  if ((metadata.namespace || namespace) === namespace) return;
  throw badRequest(
    "the namespace of the provided object does not match the namespace sent on the request",
  );
}

/** Sets the lifetime that the token will have, and returns it. Throws 422. */
function settleLifetime(request: TokenRequest): number {
  const spec = (request.spec ??= {});
  return (spec.expirationSeconds = lifetimeOf(request.metadata.name, spec.expirationSeconds));
}

/** `name` is that of the body, not of the path. */
function lifetimeOf(name = "", asked_s = DEFAULT_SECONDS): number {
  const field = "spec.expirationSeconds";
  if (asked_s < TOKEN_SECONDS_MIN) {
    const detail = "may not specify a duration less than 10 minutes";
    throw invalid(SUBJECT, name, [invalidField(field, asked_s, detail)]);
  }
  if (asked_s > 2 ** 32) {
    const detail = "may not specify a duration larger than 2^32 seconds";
    throw invalid(SUBJECT, name, [invalidField(field, asked_s, detail)]);
  }
  return Math.min(asked_s, TOKEN_SECONDS_MAX);
}

type BoundReference = Question["spec"]["boundObjectRef"];

async function claimsFor(
  server: ApiServer,
  account: KubeObject,
  bound: BoundReference | undefined,
): Promise<KubernetesClaims> {
  const { namespace = "", name = "", uid = "" } = account.metadata;
  const claims: KubernetesClaims = { namespace, serviceaccount: { name, uid } };
  if (bound === undefined) return claims;
  if (!bound.name) throw invalid(SUBJECT, name, [required("spec.boundObjectRef.name")]);
  // Upstream looks at the group alone: all three are of the server.
  if (bound.apiVersion?.includes("/")) throw cannotBind(bound);
  if (bound.kind === "Pod") {
    const pod = await boundObject(server, "pods", namespace, bound);
    const { spec } = pod as Pod & KubeObject;
    if (spec?.serviceAccountName !== name) {
      throw badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(name)} ` +
          "to pod running with different serviceaccount name.",
      );
    }
    const node = spec.nodeName ? await nodeOf(server, spec.nodeName) : undefined;
    return { ...claims, pod: identityOf(pod), ...(node && { node }) };
  }
  if (bound.kind === "Secret") {
    const secret = identityOf(await boundObject(server, "secrets", namespace, bound));
    return { ...claims, secret };
  }
  if (bound.kind === "Node") {
    return { ...claims, node: identityOf(await boundObject(server, "nodes", "", bound)) };
  }
  throw cannotBind(bound);
}

/** Go shows a type as `/v1, Kind=Pod` of the core group, `apps/v1, Kind=Deployment` of another. */
function cannotBind({ apiVersion = "", kind = "" }: NonNullable<BoundReference>): ApiError {
  const group = apiVersion.includes("/") ? "" : "/";
  return badRequest(`cannot bind token to object of type ${group}${apiVersion}, Kind=${kind}`);
}

function identityOf(object: KubeObject): BoundObject {
  return { name: object.metadata.name ?? "", uid: object.metadata.uid ?? "" };
}

async function nodeOf(server: ApiServer, name: string): Promise<BoundObject | undefined> {
  const node = await server.resources.of("v1", "nodes").store.find<KubeObject>("", name);
  return node && identityOf(node);
}

async function boundObject(
  server: ApiServer,
  plural: string,
  namespace: string,
  bound: NonNullable<BoundReference>,
): Promise<KubeObject> {
  const resource = server.resources.of("v1", plural);
  const name = bound.name ?? "";
  const object = await resource.store.find<KubeObject>(namespace, name);
  if (object === undefined) throw notFound(resource.subject, name);
  if (bound.uid && bound.uid !== object.metadata.uid) {
    const why =
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. ` +
      "The object might have been deleted and then recreated";
    throw conflict({ group: "", name: resource.kind.kind }, name, why);
  }
  return object;
}
