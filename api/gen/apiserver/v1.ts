/** The types of apiserver.config.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { Duration, RawExtension } from "../../scalars.ts";

export interface AESConfiguration {
  keys: Key[];
}

export interface AdmissionConfiguration {
  apiVersion?: string;
  kind?: string;
  plugins: AdmissionPluginConfiguration[];
}

export interface AdmissionPluginConfiguration {
  name: string;
  path: string;
  configuration: RawExtension;
}

export interface AnonymousAuthCondition {
  path: string;
}

export interface AnonymousAuthConfig {
  enabled: boolean;
  conditions?: AnonymousAuthCondition[];
}

export type AudienceMatchPolicyType = string;

export interface AuthenticationConfiguration {
  apiVersion?: string;
  kind?: string;
  jwt: JWTAuthenticator[];
  anonymous?: AnonymousAuthConfig;
}

export interface AuthorizationConfiguration {
  apiVersion?: string;
  kind?: string;
  authorizers: AuthorizerConfiguration[];
}

export interface AuthorizerConfiguration {
  type: string;
  name: string;
  webhook?: WebhookConfiguration;
}

export type AuthorizerType = string;

export interface ClaimMappings {
  username: PrefixedClaimOrExpression;
  groups?: PrefixedClaimOrExpression;
  uid: ClaimOrExpression;
  extra?: ExtraMapping[];
}

export interface ClaimOrExpression {
  claim?: string;
  expression?: string;
}

export interface ClaimValidationRule {
  claim?: string;
  requiredValue?: string;
  expression?: string;
  message?: string;
}

export type EgressSelectorType = string;

export interface EncryptionConfiguration {
  apiVersion?: string;
  kind?: string;
  resources: ResourceConfiguration[];
}

export interface ExtraMapping {
  key: string;
  valueExpression: string;
}

export interface IdentityConfiguration {

}

export interface Issuer {
  url: string;
  discoveryURL?: string;
  certificateAuthority?: string;
  audiences: string[];
  audienceMatchPolicy?: AudienceMatchPolicyType;
  egressSelectorType?: EgressSelectorType;
}

export interface JWTAuthenticator {
  issuer: Issuer;
  claimValidationRules?: ClaimValidationRule[];
  claimMappings: ClaimMappings;
  userValidationRules?: UserValidationRule[];
}

export interface KMSConfiguration {
  apiVersion: string;
  name: string;
  cachesize?: number;
  endpoint: string;
  timeout?: Duration;
}

export interface Key {
  name: string;
  secret: string;
}

export interface PrefixedClaimOrExpression {
  claim?: string;
  prefix?: string;
  expression?: string;
}

export interface ProviderConfiguration {
  aesgcm?: AESConfiguration;
  aescbc?: AESConfiguration;
  secretbox?: SecretboxConfiguration;
  identity?: IdentityConfiguration;
  kms?: KMSConfiguration;
}

export interface ResourceConfiguration {
  resources: string[];
  providers: ProviderConfiguration[];
}

export interface SecretboxConfiguration {
  keys: Key[];
}

export interface UserValidationRule {
  expression: string;
  message?: string;
}

export interface WebhookConfiguration {
  authorizedTTL: Duration;
  cacheAuthorizedRequests?: boolean;
  unauthorizedTTL: Duration;
  cacheUnauthorizedRequests?: boolean;
  timeout: Duration;
  subjectAccessReviewVersion: string;
  matchConditionSubjectAccessReviewVersion: string;
  failurePolicy: string;
  connectionInfo: WebhookConnectionInfo;
  matchConditions: WebhookMatchCondition[];
}

export interface WebhookConnectionInfo {
  type: string;
  kubeConfigFile: string;
}

export interface WebhookMatchCondition {
  expression: string;
}
