/** Claims to devices: those of a pod, and which of them each container uses. */
import { duplicate, type FieldError, invalid, notFound, required } from "../../../errors.ts";
import type { PodResourceClaim, PodSpec, ResourceClaim } from "../../../gen/core/v1.ts";
import { eachOf, invalidBy } from "../../../validation/checks.ts";
import { dnsLabel, dnsSubdomain } from "../../../validation/names.ts";

const CLAIM_SOURCES = ["resourceClaimName", "resourceClaimTemplateName"] as const;
const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

/** The claims of a pod, and those that its containers name. */
export function validateClaims(spec: PodSpec, path: string): FieldError[] {
  const claims = spec.resourceClaims ?? [];
  const names = new Set(claims.map(({ name }) => name));
  // One text for all findings: each may have a megabyte of names.
  const known = names.size === 0 ? " which is empty" : `: ${[...names].sort().join(", ")}`;
  return [
    ...validateOwnClaims(claims, `${path}.resourceClaims`),
    ...CONTAINER_LISTS.flatMap((list) =>
      eachOf(spec[list], `${path}.${list}`, ({ resources }, at) =>
        validateUses(resources?.claims, { names, known }, `${at}.resources.claims`),
      ),
    ),
  ];
}

/** The devices of a pod: each claim of its own name, made for it or made before. */
function validateOwnClaims(claims: readonly PodResourceClaim[], path: string): FieldError[] {
  const names = new Set<string>();
  return eachOf(claims, path, (claim, at) => {
    const { name } = claim;
    const errors: FieldError[] = [];
    if (name === "") errors.push(required(`${at}.name`));
    else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    else errors.push(...invalidBy(dnsLabel, `${at}.name`, name));
    names.add(name);
    const given = CLAIM_SOURCES.filter((each) => claim[each] !== undefined);
    const [one, other] = CLAIM_SOURCES.map((each) => `\`${each}\``);
    if (given.length > 1) {
      const rule = `at most one of ${one} or ${other} may be specified`;
      errors.push(invalid(at, goClaim(claim), rule));
    } else if (given.length === 0) {
      errors.push(invalid(at, goClaim(claim), `must specify one of: ${one}, ${other}`));
    }
    const wrong = given.flatMap((each) => invalidBy(dnsSubdomain, `${at}.${each}`, claim[each]!));
    return [...errors, ...wrong];
  });
}

/** The names of a pod's claims, and how a finding shows them. */
type Known = { readonly names: ReadonlySet<string>; readonly known: string };

/** A claim as upstream's messages show it. */
const goClaim = (claim: PodResourceClaim) => ({
  Name: claim.name,
  ResourceClaimName: claim.resourceClaimName ?? null,
  ResourceClaimTemplateName: claim.resourceClaimTemplateName ?? null,
});

/** The claims that a container uses: all requests of one, or single ones, each once. */
function validateUses(
  uses: readonly ResourceClaim[] = [],
  { names, known }: Known,
  path: string,
): FieldError[] {
  const taken = new Set<string>();
  /** Claims of which single requests are taken. */
  const divided = new Set<string>();
  return eachOf(uses, path, ({ name, request = "" }, at) => {
    if (name === "") return [required(at)];
    const key = request === "" ? name : `${name}/${request}`;
    const errors: FieldError[] =
      request === "" || taken.has(name) ? [] : invalidBy(dnsLabel, `${at}.request`, request);
    if (taken.has(name)) errors.push(duplicate(at, name));
    else if (taken.has(key)) errors.push(duplicate(at, key));
    else if (request === "" && divided.has(name)) errors.push(duplicate(at, name));
    taken.add(key);
    if (request !== "") divided.add(name);
    if (names.has(name)) return errors;
    const detail = `must be one of the names in pod.spec.resourceClaims${known}`;
    return [...errors, { ...notFound(at, name), detail }];
  });
}
