import { SchemaTypes } from "@raft2kube/api/admissionregistration/v1/schema-types.ts";
import type {
  ExpressionWarning,
  MatchResources,
  ValidatingAdmissionPolicy,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { compiling } from "@raft2kube/cel/budget.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { DYN, type Type } from "@raft2kube/cel/types.ts";
import { tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices, type Slices } from "@raft2kube/std/slices.ts";
import { POLICY_TYPES_MAX } from "../../limits.ts";
import { compiler, type Expression } from "../expressions/environment.ts";

/**
 * The warnings about a policy's expressions for the kinds that its rules name (upstream:
 * policy/validating/typechecking.go). They change nothing of what the policy does. Expressions are
 * compiled in slices: a policy may have as many as an object may have bytes. One that alone takes
 * longer than a turn of the event loop may has no warning.
 */
export const checkTypes = (
  policy: ValidatingAdmissionPolicy,
  kinds: readonly Kind[],
  slices?: Slices,
): Promise<ExpressionWarning[]> => inSlices(typeWarnings(policy, kinds), slices);

function* typeWarnings(
  { spec }: ValidatingAdmissionPolicy,
  kinds: readonly Kind[],
): Generator<void, ExpressionWarning[]> {
  const matched = kindsOf(spec.matchConstraints, kinds);
  const params =
    spec.paramKind &&
    kinds.find(
      (each) =>
        each.kind === spec.paramKind!.kind && apiVersionOf(each) === spec.paramKind!.apiVersion,
    );
  const compilers: { readonly kind: Kind; readonly compile: Compile }[] = [];
  for (const kind of matched) {
    compilers.push({ kind, compile: yield* typedCompiler(spec, kind, params) });
  }
  const expressions = (spec.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
    { fieldRef: `spec.validations[${i}].expression`, text: expression },
    ...(messageExpression
      ? [{ fieldRef: `spec.validations[${i}].messageExpression`, text: messageExpression }]
      : []),
  ]);
  const warnings: ExpressionWarning[] = [];
  for (const { fieldRef, text } of expressions) {
    const found: string[] = [];
    for (const { kind, compile } of compilers) {
      const error = compile(text)?.error;
      yield;
      if (error !== undefined) {
        found.push(`${kind.group}/${kind.version}, Kind=${kind.kind}: ${error}\n`);
      }
    }
    if (found.length > 0) warnings.push({ fieldRef, warning: found.join("\n") });
  }
  return warnings;
}

/** Compiles an expression; undefined for one that takes too long. */
type Compile = (text: string) => Expression | undefined;

function* typedCompiler(
  spec: ValidatingAdmissionPolicy["spec"],
  kind: Kind,
  params: Kind | undefined,
): Generator<void, Compile> {
  const provider = new SchemaTypes();
  const types = { object: provider.ofKind(kind), params: params ? provider.ofKind(params) : DYN };
  const typed = { ...types, provider };
  const scope = { params: spec.paramKind !== undefined, authorizer: true, typed };
  const variables: Record<string, Type> = {};
  for (const { name, expression } of spec.variables ?? []) {
    const compiled = quickly(compiler({ ...scope, variables }))(expression);
    variables[name] = compiled?.program?.type ?? DYN;
    yield;
  }
  return quickly(compiler({ ...scope, variables }));
}

const quickly =
  (compile: (text: string) => Expression): Compile =>
  (text) =>
    tolerateSync(
      () => compiling(true, () => compile(text)),
      (thrown) => thrown instanceof StepsExceededError,
    );

/** The kinds that rules name without `*`, the first of them, in order of their names. */
function kindsOf({ resourceRules = [] }: MatchResources = {}, kinds: readonly Kind[]): Kind[] {
  const isPlain = (names: readonly string[] = []) =>
    names.length > 0 && names.every((each) => !/[*/]/.test(each));
  const found = new Set<Kind>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of resourceRules) {
    if (![apiGroups, apiVersions, resources].every((each) => isPlain(each))) continue;
    for (const kind of kinds) {
      const isNamed =
        apiGroups.includes(kind.group) &&
        apiVersions.includes(kind.version) &&
        resources.includes(kind.plural);
      if (isNamed && found.size < POLICY_TYPES_MAX) found.add(kind);
    }
  }
  const nameOf = (kind: Kind) => [kind.group, kind.version, kind.kind].join("/");
  return [...found].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}
