import { ours } from "./ours.ts";
import { criContract } from "./suite.ts";

criContract("our runtime over by-hand", ours("by-hand"));
