import { X509Certificate } from "node:crypto";
import type * as File from "@raft2kube/api/gen/apiserver/v1.ts";
import { domainPath } from "@raft2kube/api/validation/names.ts";
import { type Place, readConfigFile } from "@raft2kube/apimachinery/config-file.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { given } from "@raft2kube/std/given.ts";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { ISSUERS_MAX } from "../../limits.ts";
import { CONFIG_VERSIONS, expressionIn } from "../expression.ts";
import { CLAIMS_SCOPE, readsClaim, USER_SCOPE } from "./expressions.ts";

/** A value of the user: a claim with a prefix, or an expression's result. */
export type Mapping =
  | { readonly claim: string; readonly prefix: string }
  | { readonly expression: Program };

export type JwtRule = { readonly expression: Program; readonly message: string };

/** One issuer whose tokens are accepted, and the users that they stand for. */
export interface JwtIssuer extends Readonly<File.Issuer> {
  /** Signature algorithms; default all asymmetric ones. */
  readonly algorithms: readonly string[];
  readonly requiredClaims: readonly { readonly claim: string; readonly value: string }[];
  readonly claimRules: readonly JwtRule[];
  readonly userRules: readonly JwtRule[];
  readonly username: Mapping;
  readonly groups?: Mapping;
  readonly uid?: Mapping;
  readonly extra: readonly { readonly key: string; readonly expression: Program }[];
}

export interface AuthenticationConfig {
  readonly issuers: readonly JwtIssuer[];
  /** Whether, and at which paths alone, a request without credentials is anonymous. */
  readonly anonymous?: Readonly<File.AnonymousAuthConfig>;
}

/** Signature algorithms of tokens of issuers (upstream's allowlist): none is symmetric. */
export const ALGORITHMS: readonly string[] = ["RS", "ES", "PS"].flatMap((family) =>
  [256, 384, 512].map((bits) => `${family}${bits}`),
);

/**
 * Reads an AuthenticationConfiguration in YAML or JSON. `own` are this server's issuers, whose
 * tokens are not for others to verify. Throws ConfigFileError.
 */
export async function readAuthenticationConfig(
  text: string,
  own: readonly string[] = [],
): Promise<AuthenticationConfig> {
  const type = "apiserver/v1.AuthenticationConfiguration";
  const read = await readConfigFile<File.AuthenticationConfiguration>(type, CONFIG_VERSIONS, text);
  const { config, at } = read;
  const issuers = at.each("jwt", config.jwt, issuerOf);
  if (issuers.length > ISSUERS_MAX) at.refuse("jwt", `must have at most ${ISSUERS_MAX} items`);
  issuers.forEach(({ url }, i) => {
    if (own.includes(url)) at.refuse(`jwt[${i}].issuer.url`, "is this server's own issuer");
  });
  at.distinct("jwt", "issuer.url", issuers, ({ url }) => url);
  at.distinct("jwt", "issuer.discoveryURL", issuers, ({ discoveryURL }) => discoveryURL);
  const { anonymous } = config;
  const place = at.in("anonymous");
  place.each("conditions", anonymous?.conditions, ({ path }, each) => each.text("path", path));
  if (anonymous?.enabled === false && anonymous.conditions?.length) {
    place.refuse("conditions", "enabled must be true when conditions are defined");
  }
  return given({ issuers, anonymous });
}

function issuerOf(jwt: File.JWTAuthenticator, at: Place): JwtIssuer {
  const rules = claimRulesOf(jwt.claimValidationRules, at);
  const mappings = mappingsOf(jwt.claimMappings, at.in("claimMappings"));
  checkEmail(at, rules.claimRules, mappings);
  checkIssuer(jwt.issuer, at.in("issuer"));
  const field = "userValidationRules";
  const userRules = at.each(field, jwt.userValidationRules, ruleIn(USER_SCOPE));
  at.distinct(field, "expression", userRules, ({ expression }) => expression.text);
  return { ...jwt.issuer, algorithms: ALGORITHMS, ...rules, ...mappings, userRules };
}

function checkIssuer(issuer: File.Issuer, at: Place): void {
  const { url, discoveryURL, audiences, audienceMatchPolicy: policy } = issuer;
  if (issuer.egressSelectorType) {
    at.refuse("egressSelectorType", "this server has no egress selector");
  }
  for (const [field, text] of Object.entries({ url, ...(discoveryURL && { discoveryURL }) })) {
    httpsUrl(text, (problem) => at.refuse(field, problem));
  }
  if (discoveryURL && withoutEnd(discoveryURL, "/") === withoutEnd(url, "/")) {
    at.refuse("discoveryURL", "must be different from url");
  }
  at.some("audiences", audiences).forEach((each, i) => at.text(`audiences[${i}]`, each));
  at.distinct("audiences", "value", audiences);
  if (policy !== "MatchAny" && (policy !== undefined || audiences.length > 1)) {
    at.refuse("audienceMatchPolicy", "must be MatchAny");
  }
  try {
    if (issuer.certificateAuthority) new X509Certificate(issuer.certificateAuthority);
  } catch (thrown) {
    at.refuse("certificateAuthority", `has no certificate in PEM (${String(thrown)})`);
  }
}

/** An https URL without credentials, query and fragment; `refuse` gets why a text is none. */
export function httpsUrl(text: string, refuse: (problem: string) => never): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:") return refuse("must be an https URL");
  if (url.username !== "" || url.password !== "" || /[?#]/.test(text)) {
    refuse("must not have a user name, a password, a query or a fragment");
  }
  return text;
}

const ruleIn =
  (scope: Environment) =>
  ({ expression, message = "" }: File.ClaimValidationRule, at: Place): JwtRule => ({
    message,
    expression: expressionIn(at, "expression", expression, scope, true),
  });

function claimRulesOf(rules: readonly File.ClaimValidationRule[] | undefined, at: Place) {
  const field = "claimValidationRules";
  const requiredClaims: { claim: string; value: string }[] = [];
  const claimRules: JwtRule[] = [];
  at.each(field, rules, (rule, place) => {
    const { claim, requiredValue: value = "" } = rule;
    if (claim !== undefined) {
      place.none(rule, "expression", "message");
      requiredClaims.push({ claim, value });
    } else {
      place.none(rule, "requiredValue");
      claimRules.push(ruleIn(CLAIMS_SCOPE)(rule, place));
    }
  });
  at.distinct(field, "claim", requiredClaims, ({ claim }) => claim);
  at.distinct(field, "expression", claimRules, ({ expression }) => expression.text);
  return { requiredClaims, claimRules };
}

function mappingsOf(mappings: File.ClaimMappings, at: Place) {
  const of = (name: "username" | "groups" | "uid") => mappingOf(mappings[name], at.in(name), name);
  const username = of("username");
  if (username === undefined) return at.refuse("username", "claim or expression is required");
  const extra = at.each("extra", mappings.extra, extraOf);
  at.distinct("extra", "key", extra, ({ key }) => key);
  return given({ username, groups: of("groups"), uid: of("uid"), extra });
}

function mappingOf(
  mapping: File.PrefixedClaimOrExpression = {},
  at: Place,
  name: string,
): Mapping | undefined {
  const { claim, expression } = mapping;
  if (expression !== undefined) {
    at.none(mapping, "claim", "prefix");
    return { expression: expressionIn(at, "expression", expression, CLAIMS_SCOPE) };
  }
  // An empty text is a prefix too: none.
  const prefix = name === "uid" ? "" : mapping.prefix;
  if (claim === undefined) {
    at.none(mapping, "prefix");
    return undefined;
  }
  if (prefix !== undefined) return { claim, prefix };
  return at.refuse("prefix", "is required when claim is set; an empty text is no prefix");
}

function extraOf({ key, valueExpression }: File.ExtraMapping, at: Place) {
  at.check("key", domainPath(at.text("key", key)));
  if (key !== key.toLowerCase()) at.refuse("key", "must be lowercase");
  if (/(^|\.)(k8s|kubernetes)\.io\//.test(key)) {
    at.refuse("key", "k8s.io, kubernetes.io and their subdomains are reserved");
  }
  const expression = expressionIn(at, "valueExpression", valueExpression, CLAIMS_SCOPE);
  return { key, expression };
}

/** An email names a user only if the issuer says that it is verified (upstream's rule). */
function checkEmail(
  at: Place,
  rules: readonly JwtRule[],
  { username, extra }: Pick<JwtIssuer, "username" | "extra">,
): void {
  if (!("expression" in username) || !readsClaim(username.expression, "email")) return;
  const others = [username, ...extra, ...rules];
  if (others.some(({ expression }) => readsClaim(expression, "email_verified"))) return;
  at.refuse(
    "claimMappings.username.expression",
    "claims.email_verified must be used here, in claimMappings.extra[*].valueExpression or in " +
      "claimValidationRules[*].expression when claims.email is",
  );
}
