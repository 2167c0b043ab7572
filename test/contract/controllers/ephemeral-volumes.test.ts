import { describe } from "vitest";
import { ephemeralRules } from "./ephemeral-rules.ts";
import { hintRules } from "./hint-rules.ts";
import { sharedWorld } from "./shared-world.ts";

const world = sharedWorld(["n1"]);

describe("ephemeral volumes", () => ephemeralRules(() => world));
describe("hints of EndpointSlices", () => hintRules(() => world));
