import { type FieldError, invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { TokenReviewSpec } from "@raft2kube/api/gen/authentication/v1.ts";
import type {
  SelfSubjectRulesReviewSpec,
  SubjectAccessReviewSpec,
} from "@raft2kube/api/gen/authorization/v1.ts";
import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { pathSegment } from "@raft2kube/api/validation/names.ts";
import { badRequest, invalid, methodNotAllowed } from "@raft2kube/apimachinery/errors/catalog.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { authenticated, nodeNameOf, userInfoOf } from "../../authn/identities.ts";
import { ownerOf } from "../../authn/owner.ts";
import { type Attributes, aboutResource, type Decision } from "../../authz/attributes.ts";
import type { HeldRule } from "../../authz/rbac/role-index.ts";
import { REVIEWED_CHARS_MAX } from "../../limits.ts";
import { settleNamespace } from "../../registry/metadata.ts";
import { type Answer, objectAnswer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import type { ApiServer } from "../server.ts";
import { admitBinding, bindPod } from "../subresources/binding.ts";
import { createdAnswer } from "../subresources/success.ts";
import { writeOptionsOf } from "../write-request.ts";
import { validateLocalQuestion, validateQuestion } from "./review-rules.ts";
import { selectorsOf } from "./review-selectors.ts";

/** The specs of all reviews, combined. */
type Spec = SubjectAccessReviewSpec & SelfSubjectRulesReviewSpec & TokenReviewSpec;

interface Review extends KubeObject {
  spec?: Spec;
  status?: object;
}

/** A Binding posted to its collection is the same as one posted to its pod. */
async function bind(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  object: KubeObject,
): Promise<Answer> {
  const options = writeOptionsOf(context);
  const { name = "" } = object.metadata;
  if (name === "") throw badRequest("a Binding has the name of its pod");
  const [wrong] = pathSegment(name);
  if (wrong !== undefined) throw badRequest(`name of the pod: ${wrong}`);
  const { namespace } = context.info;
  await admitBinding(server, resource, { namespace, name }, object, options);
  await bindPod(server, namespace, name, object, options.dryRun);
  return createdAnswer();
}

type Answerer = (
  server: ApiServer,
  context: RequestContext,
  review: Review,
) => Promise<object> | object;

/** A question counts to its author, who may make its user up: a namespace's admin, or a node. */
const accessOfSubject: Answerer = (server, context, review) =>
  access(server, subjectOf(review), review.spec ?? {}, ownerOf(context));

/** A kind that is a question: nothing is stored, the answer is the object with its status. */
interface Question {
  readonly answer: Answerer;
  readonly findings?: (spec: Spec, namespace: string) => FieldError[];
  /** New metadata; without it the request's is kept, with managedFields (upstream). */
  readonly metadata?: (now_ms: number) => KubeObject["metadata"];
}

const QUESTIONS: Readonly<Record<string, Question>> = {
  SelfSubjectAccessReview: {
    answer: (server, context, review) => access(server, context.user, review.spec ?? {}),
    findings: (spec) => validateQuestion(spec, false),
  },
  SubjectAccessReview: {
    answer: accessOfSubject,
    findings: (spec) => validateQuestion(spec, true),
  },
  LocalSubjectAccessReview: { answer: accessOfSubject, findings: validateLocalQuestion },
  SelfSubjectRulesReview: { answer: rules, metadata: () => ({}) },
  SelfSubjectReview: {
    answer: (_server, { user }) => ({ userInfo: userInfoOf(user) }),
    metadata: (now_ms) => ({ creationTimestamp: timeText(now_ms) }),
  },
  TokenReview: { answer: tokenReview },
};

/** POST of a kind that is only asked. Throws 405 for those that have no answer here. */
export async function serveReview(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  object: KubeObject,
): Promise<Answer> {
  if (resource.kind.kind === "Binding") return await bind(server, resource, context, object);
  const { kind } = resource;
  const question = QUESTIONS[kind.kind];
  if (question === undefined) throw methodNotAllowed();
  const review: Review = object;
  const { namespace } = context.info;
  if (kind.namespaced) settleNamespace(kind, review, namespace);
  const findings = question.findings?.(review.spec ?? {}, namespace) ?? [];
  if (findings.length > 0) throw invalid(SUBJECT, "", findings);
  const status = await question.answer(server, context, review);
  const now_ms = server.clock.now();
  if (question.metadata) review.metadata = question.metadata(now_ms);
  else updateManagedFields(resource, review, undefined, writeOptionsOf(context), now_ms);
  checkMetadata(kind.kind, review.metadata);
  if (kind.kind === "SelfSubjectRulesReview") review.spec = {};
  review.status = status;
  return objectAnswer(review, undefined, 201);
}

/** Throws 422 when a question about access has a name: nothing is stored under it. */
function checkMetadata(kind: string, metadata: KubeObject["metadata"]): void {
  if (!kind.endsWith("SubjectAccessReview")) return;
  const { namespace: _namespace, managedFields: _owners, ...others } = metadata;
  if (Object.keys(others).length === 0) return;
  const why = kind.startsWith("Local") ? "must be empty except for namespace" : "must be empty";
  throw invalid(SUBJECT, "", [invalidField("metadata", metadata, why)]);
}

/** Upstream's words name the group alone. */
const SUBJECT = { group: "authorization.k8s.io", name: "" };

function attributesOf(user: RequestUser, spec: Spec): Attributes {
  const { resourceAttributes: asked, nonResourceAttributes: page } = spec;
  if (!asked) {
    const { verb = "", path = "" } = page ?? {};
    return aboutResource({ user, verb, path, version: "", resourceRequest: false });
  }
  const { fieldSelector: _fields, labelSelector: _labels, ...target } = asked;
  return aboutResource({ user, verb: "", version: "", ...target });
}

async function access(
  server: ApiServer,
  user: RequestUser,
  spec: Spec,
  asker?: Owner,
): Promise<object> {
  const { fields, labels } = selectorsOf(spec);
  const decision: Decision = await server.authorizer.decide({
    ...attributesOf(user, spec),
    fieldSelector: fields.terms,
    labelSelector: labels.terms,
    ...(asker && { asker }),
  });
  const errors = [fields.ignored, labels.ignored, decision.error].filter(Boolean);
  return given({
    allowed: decision.verdict === "allow",
    denied: decision.verdict === "deny" || undefined,
    reason: decision.reason || undefined,
    evaluationError: errors.join("; ") || undefined,
  });
}

function subjectOf(review: Review): RequestUser {
  const { user = "", groups, uid, extra } = review.spec ?? {};
  return { name: user, groups: groups ?? [], ...(uid && { uid }), ...(extra && { extra }) };
}

/** Authorizers that cannot list what a user may do, and why, in upstream's words. */
const UNRESOLVED: Readonly<Record<string, (user: RequestUser) => string[]>> = {
  Node: (user) =>
    nodeNameOf(user) === undefined ? [] : ["node authorizer does not support user rule resolution"],
  Webhook: () => ["webhook authorizer does not support user rule resolution"],
};

async function rules(server: ApiServer, context: RequestContext, review: Review): Promise<object> {
  const namespace = review.spec?.namespace ?? "";
  if (namespace === "") throw badRequest("no namespace on request");
  const { types } = server.authorizer;
  const rulesHeld = types.includes("RBAC") ? server.roles.rulesFor(context.user, namespace) : [];
  const { held, isCut } = await shownOf(rulesHeld);
  const resourceRules = held
    .filter((rule) => rule.resources?.length)
    .map((rule) => ({
      verbs: rule.verbs,
      apiGroups: rule.apiGroups ?? [],
      resources: rule.resources ?? [],
      ...(rule.resourceNames?.length ? { resourceNames: rule.resourceNames } : {}),
    }));
  const nonResourceRules = held
    .filter((rule) => rule.nonResourceURLs?.length)
    .map((rule) => ({ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs! }));
  const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  const any = types.includes("AlwaysAllow") ? [all] : [];
  const anyPath = any.map(({ verbs }) => ({ verbs, nonResourceURLs: ["*"] }));
  const unknown = types.flatMap((type) => UNRESOLVED[type]?.(context.user) ?? []);
  if (isCut) unknown.push(`rules of more than ${REVIEWED_CHARS_MAX} characters are left out`);
  return {
    resourceRules: [...any, ...resourceRules],
    nonResourceRules: [...anyPath, ...nonResourceRules],
    incomplete: isCut || types.includes("Webhook"),
    ...(unknown.length > 0 && { evaluationError: aggregateOf(unknown) }),
  };
}

/** The first rules, of REVIEWED_CHARS_MAX together: an answer is made and sent in one turn. */
async function shownOf(rules: Iterable<HeldRule | undefined>) {
  const held: PolicyRule[] = [];
  let chars = 0;
  const slices = new Slices();
  for (const each of rules) {
    if (slices.due) await slices.pause();
    if (each === undefined) continue;
    // Names have no bound of their own: one may be as long as a role.
    chars += JSON.stringify(each.rule).length;
    if (chars > REVIEWED_CHARS_MAX) return { held, isCut: true };
    held.push(each.rule);
  }
  return { held, isCut: false };
}

async function tokenReview(
  server: ApiServer,
  context: RequestContext,
  review: Review,
): Promise<object> {
  const { token = "", audiences } = review.spec ?? {};
  if (token === "") throw badRequest("token is required for TokenReview in authentication");
  const asked = audiences?.length ? audiences : undefined;
  const known = await server.authenticator.verifyToken(token, ownerOf(context), asked);
  if ("refused" in known) return { user: {}, error: known.refused };
  const user = userInfoOf(authenticated(known.user));
  return { authenticated: true, user, audiences: known.audiences };
}
