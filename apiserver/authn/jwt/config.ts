import { X509Certificate } from "node:crypto";
import { domainPath } from "@raft2kube/api/validation/names.ts";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
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
export interface JwtIssuer {
  readonly url: string;
  readonly discoveryUrl?: string;
  /** PEM; default the roots of the host. */
  readonly ca?: string;
  /** A token is for one of these. */
  readonly audiences: readonly string[];
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

/** Whether, and where, a request without credentials is anonymous. */
export interface AnonymousAccess {
  readonly enabled: boolean;
  /** The paths that it is limited to; undefined: all. */
  readonly paths?: readonly string[];
}

export interface AuthenticationConfig {
  readonly issuers: readonly JwtIssuer[];
  readonly anonymous?: AnonymousAccess;
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
  return await ConfigFields.read("AuthenticationConfiguration", text, CONFIG_VERSIONS, (config) => {
    const issuers = config.objects("jwt").map(issuerOf);
    if (issuers.length > ISSUERS_MAX) {
      config.refuse("jwt", `must have at most ${ISSUERS_MAX} items`);
    }
    issuers.forEach(({ url }, i) => {
      if (own.includes(url)) config.refuse(`jwt[${i}].issuer.url`, "is this server's own issuer");
    });
    config.distinct("jwt", "issuer.url", issuers, ({ url }) => url);
    config.distinct("jwt", "issuer.discoveryURL", issuers, ({ discoveryUrl }) => discoveryUrl);
    const anonymous = config.has("anonymous") ? anonymousOf(config.object("anonymous")) : undefined;
    return given({ issuers, anonymous });
  });
}

function anonymousOf(anonymous: ConfigFields): AnonymousAccess {
  const enabled = anonymous.flag("enabled", false);
  const paths = anonymous.objects("conditions").map((each) => each.text("path"));
  if (!enabled && paths.length > 0) {
    anonymous.refuse("conditions", "enabled must be true when conditions are defined");
  }
  return given({ enabled, paths: paths.length === 0 ? undefined : paths });
}

function issuerOf(jwt: ConfigFields): JwtIssuer {
  const rules = claimRulesOf(jwt);
  const mappings = mappingsOf(jwt.object("claimMappings"));
  checkEmail(jwt, rules.claimRules, mappings);
  const remote = remoteOf(jwt.object("issuer"));
  return {
    ...{ ...remote, algorithms: ALGORITHMS, ...rules, ...mappings },
    userRules: userRulesOf(jwt),
  };
}

function remoteOf(issuer: ConfigFields) {
  if (issuer.has("egressSelectorType")) {
    issuer.refuse("egressSelectorType", "this server has no egress selector");
  }
  const urlIn = (name: string) =>
    httpsUrl(issuer.text(name), (problem) => issuer.refuse(name, problem));
  const url = urlIn("url");
  const discoveryUrl = issuer.has("discoveryURL") ? urlIn("discoveryURL") : undefined;
  if (discoveryUrl !== undefined && withoutEnd(discoveryUrl, "/") === withoutEnd(url, "/")) {
    issuer.refuse("discoveryURL", "must be different from url");
  }
  const audiences = issuer.texts("audiences", { required: true });
  issuer.distinct("audiences", "value", audiences);
  const policy = issuer.text("audienceMatchPolicy", "");
  if (policy !== "MatchAny" && (policy !== "" || audiences.length > 1)) {
    issuer.refuse("audienceMatchPolicy", "must be MatchAny");
  }
  const ca = issuer.has("certificateAuthority") ? certificatesIn(issuer) : undefined;
  return given({ url, audiences, discoveryUrl, ca });
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

function certificatesIn(issuer: ConfigFields): string {
  const pem = issuer.text("certificateAuthority");
  try {
    new X509Certificate(pem);
    return pem;
  } catch (thrown) {
    return issuer.refuse("certificateAuthority", `has no certificate in PEM (${String(thrown)})`);
  }
}

/** A field that a rule of its kind does not have is refused as unknown. */
const ruleIn = (rule: ConfigFields, scope: Environment): JwtRule => ({
  message: rule.text("message", ""),
  expression: expressionIn(rule, "expression", scope, true),
});

function claimRulesOf(jwt: ConfigFields) {
  const at = "claimValidationRules";
  const requiredClaims: { claim: string; value: string }[] = [];
  const claimRules: JwtRule[] = [];
  for (const rule of jwt.objects(at)) {
    if (rule.has("claim")) {
      requiredClaims.push({ claim: rule.text("claim"), value: rule.text("requiredValue", "") });
    } else claimRules.push(ruleIn(rule, CLAIMS_SCOPE));
  }
  jwt.distinct(at, "claim", requiredClaims, ({ claim }) => claim);
  jwt.distinct(at, "expression", claimRules, ({ expression }) => expression.text);
  return { requiredClaims, claimRules };
}

function userRulesOf(jwt: ConfigFields): JwtRule[] {
  const at = "userValidationRules";
  const rules = jwt.objects(at).map((rule) => ruleIn(rule, USER_SCOPE));
  jwt.distinct(at, "expression", rules, ({ expression }) => expression.text);
  return rules;
}

function mappingsOf(mappings: ConfigFields) {
  const username = mappingOf(mappings, "username", true);
  if (username === undefined) return mappings.refuse("username", "claim or expression is required");
  const groups = mappingOf(mappings, "groups", true);
  const uid = mappingOf(mappings, "uid", false);
  const extra = mappings.objects("extra").map(extraOf);
  mappings.distinct("extra", "key", extra, ({ key }) => key);
  return given({ username, groups, uid, extra });
}

function mappingOf(mappings: ConfigFields, name: string, prefixed: boolean): Mapping | undefined {
  const mapping = mappings.object(name, {});
  if (mapping.has("expression")) {
    return { expression: expressionIn(mapping, "expression", CLAIMS_SCOPE) };
  }
  // An empty text is a prefix too: none.
  const prefix = prefixed ? mapping.value("prefix") : "";
  if (!mapping.has("claim")) return undefined;
  if (prefix === undefined) {
    mapping.refuse("prefix", "is required when claim is set; an empty text is no prefix");
  }
  return { claim: mapping.text("claim"), prefix: prefixed ? mapping.text("prefix", "") : "" };
}

function extraOf(extra: ConfigFields): JwtIssuer["extra"][number] {
  const key = extra.text("key");
  const [wrong] = domainPath(key);
  if (wrong !== undefined) extra.refuse("key", wrong);
  if (key !== key.toLowerCase()) extra.refuse("key", "must be lowercase");
  if (/(^|\.)(k8s|kubernetes)\.io\//.test(key)) {
    extra.refuse("key", "k8s.io, kubernetes.io and their subdomains are reserved");
  }
  return { key, expression: expressionIn(extra, "valueExpression", CLAIMS_SCOPE) };
}

/** An email names a user only if the issuer says that it is verified (upstream's rule). */
function checkEmail(
  jwt: ConfigFields,
  rules: readonly JwtRule[],
  { username, extra }: Pick<JwtIssuer, "username" | "extra">,
): void {
  if (!("expression" in username) || !readsClaim(username.expression, "email")) return;
  const others = [username, ...extra, ...rules];
  if (others.some(({ expression }) => readsClaim(expression, "email_verified"))) return;
  jwt.refuse(
    "claimMappings.username.expression",
    "claims.email_verified must be used here, in claimMappings.extra[*].valueExpression or in " +
      "claimValidationRules[*].expression when claims.email is",
  );
}
