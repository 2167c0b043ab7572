/**
 * The environment that all expressions of Kubernetes 1.36 share; each use adds its variables.
 * Source: what k8s.io/apiserver/pkg/cel/environment/base.go enables.
 */

import { TWO_VARIABLE_COMPREHENSIONS } from "../comprehensions.ts";
import { Environment } from "../environment.ts";
import type { Library } from "../library.ts";
import { OPTIONALS } from "../optionals.ts";
import { LITERAL_RULES } from "../validators.ts";
import { authzLibrary } from "./authz.ts";
import { formatLibrary } from "./format.ts";
import { cidrLibrary, ipLibrary } from "./ip.ts";
import { KUBERNETES_COSTS } from "./kubernetes-costs.ts";
import { listsExtension, listsLibrary, setsLibrary } from "./lists.ts";
import { quantityLibrary } from "./quantity.ts";
import { regexLibrary } from "./regex.ts";
import { semverLibrary } from "./semver.ts";
import { stringsLibrary } from "./strings.ts";
import { urlsLibrary } from "./urls.ts";

const LIBRARIES: readonly Library[] = [
  OPTIONALS,
  TWO_VARIABLE_COMPREHENSIONS,
  urlsLibrary,
  regexLibrary,
  listsLibrary,
  authzLibrary,
  quantityLibrary,
  stringsLibrary,
  setsLibrary,
  ipLibrary,
  cidrLibrary,
  formatLibrary,
  semverLibrary,
  listsExtension,
  LITERAL_RULES,
];

export const KUBERNETES = new Environment({
  libraries: LIBRARIES,
  costs: KUBERNETES_COSTS,
  homogeneousLiterals: true,
  presenceTestCosts: false,
  foldConstants: true,
});
