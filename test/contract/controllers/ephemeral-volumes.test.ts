import { describe } from "vitest";
import { ephemeralRules } from "./ephemeral-rules.ts";
import { fileControlPlane } from "./file-control-plane.ts";
import { hintRules } from "./hint-rules.ts";

const plane = fileControlPlane(["n1"]);

describe("ephemeral volumes", () => ephemeralRules(() => plane));
describe("hints of EndpointSlices", () => hintRules(() => plane));
