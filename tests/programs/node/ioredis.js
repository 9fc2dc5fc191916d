// ioredis: pipelines, transactions, Lua commands, pub/sub, streams.
const Redis = require("ioredis");
const assert = require("node:assert");

async function main() {
  const client = new Redis(process.argv[2]);
  assert.equal(await client.set("a", 1), "OK");
  const replies = await client.multi().incr("a").get("a").exec();
  assert.deepEqual(replies, [[null, 2], [null, "2"]]);
  client.defineCommand("twice", { numberOfKeys: 1, lua: "return redis.call('GET', KEYS[1]) * 2" });
  assert.equal(await client.twice("a"), 4);
  await client.xadd("s", "*", "f", "v");
  const [[, [[, fields]]]] = await client.xread("COUNT", 1, "STREAMS", "s", "0");
  assert.deepEqual(fields, ["f", "v"]);
  const listener = client.duplicate();
  const heard = new Promise((resolve) => listener.on("message", (channel, text) => resolve([channel, text])));
  await listener.subscribe("news");
  await client.publish("news", "hello");
  assert.deepEqual(await heard, ["news", "hello"]);
  const found = [];
  for await (const keys of client.scanStream({ match: "*" })) found.push(...keys);
  assert.deepEqual(found.sort(), ["a", "s"]);
  listener.disconnect();
  await client.quit();
  console.log(JSON.stringify({ ok: true }));
}
main().catch((error) => { console.error(error); process.exit(1); });
