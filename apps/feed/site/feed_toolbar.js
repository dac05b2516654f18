// Search, order and filters of the feed. Every change tells the server all of it; the server answers with a new list.
const ORDERS = { score: "Best first", productive: "Right now first", interest: "Interest first", newest: "Newest first" };
const SINCE = { "": "Any time", 1: "A day", 3: "3 days", 7: "A week", 30: "A month", 365: "A year" };
const SHOWN = { watched: "Watched", rated: "Rated", shorts: "Shorts", hidden: "Hidden videos and channels" };

export default {
  template: `
    <form class="toolbar" role="search" @submit.prevent="send">
      <label class="search"><span class="unseen">Search titles and channels</span>
        <input type="search" data-key="/" data-do="search" maxlength="200" placeholder="Search titles and channels  ( / )"
          v-model="asked.search" @input="later" @change="send" dir="auto" /></label>
      <label><span class="unseen">Order</span>
        <select data-key="o" data-do="order" v-model="asked.order" @change="send">
          <option v-for="(word, order) in orders" :value="order">{{ word }}</option>
        </select></label>
      <button type="button" data-key="f" data-do="filters" :aria-expanded="open ? 'true' : 'false'" aria-controls="filters"
        title="Filters (F)" @click="open = !open">
        <i class="material-icons" aria-hidden="true">tune</i>{{ count ? "Filters: " + count : "Filters" }}
      </button>
      <div v-if="open" id="filters" class="filters">
        <fieldset>
          <legend>Show as well</legend>
          <label v-for="(word, name) in shown" class="check">
            <input type="checkbox" :data-do="name" v-model="asked[name]" @change="send" /><span>{{ word }}</span></label>
        </fieldset>
        <fieldset>
          <legend>Length in minutes</legend>
          <div class="range">
            <input type="number" min="0" step="any" aria-label="At least, minutes" data-do="min" placeholder="from"
              v-model="asked.min_minutes" @change="send" />
            <span>to</span>
            <input type="number" min="0" step="any" aria-label="At most, minutes" data-do="max" placeholder="any"
              v-model="asked.max_minutes" @change="send" />
          </div>
          <label><span class="name">Published in the last</span>
            <select data-do="since" v-model="asked.since_days" @change="send">
              <option v-for="(word, days) in since" :value="days">{{ word }}</option>
            </select></label>
        </fieldset>
        <fieldset>
          <legend>Channels</legend>
          <label><span class="unseen">Only this channel</span>
            <input type="text" data-do="channel" maxlength="200" placeholder="Only this channel" dir="auto"
              v-model="asked.channel" @change="send" /></label>
          <label class="check"><input type="checkbox" data-do="unsubscribed" v-model="asked.unsubscribed" @change="send" />
            <span>Not subscribed only</span></label>
          <button type="button" data-do="clear" :disabled="!count" @click="clear">Clear filters</button>
        </fieldset>
      </div>
    </form>`,
  props: { query: Object },
  data() {
    return { asked: this.read(this.query), open: false, timer: null, sent: "", orders: ORDERS, since: SINCE, shown: SHOWN };
  },
  computed: {
    count() {
      const { order, search, ...filters } = this.asked;
      return Object.values(filters).filter((value) => value !== "" && value !== false).length;
    },
  },
  watch: {
    query(query) {
      this.asked = this.read(query);
      this.sent = JSON.stringify(this.asked);
    },
  },
  mounted() {
    this.sent = JSON.stringify(this.asked);
  },
  methods: {
    read(query) {
      const flag = (name) => query[name] === "1";
      return {
        order: query.order ?? "score", search: query.search ?? "", watched: flag("watched"), rated: flag("rated"),
        shorts: flag("shorts"), hidden: flag("hidden"), min_minutes: query.min_minutes ?? "",
        max_minutes: query.max_minutes ?? "", since_days: query.since_days ?? "", channel: query.channel ?? "",
        unsubscribed: flag("unsubscribed"),
      };
    },
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(this.send, 400);
    },
    clear() {
      const { order, search } = this.asked;
      this.asked = this.read({ order, search });
      this.send();
    },
    send() {
      clearTimeout(this.timer);
      if (JSON.stringify(this.asked) === this.sent) return;
      this.sent = JSON.stringify(this.asked);
      const text = (value) => (value === true ? "1" : value === false ? "" : String(value));
      this.$emit("ask", Object.fromEntries(Object.entries(this.asked).map(([name, value]) => [name, text(value)])));
    },
  },
};
