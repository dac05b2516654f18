// One video of the feed. Every text is interpolated, never markup.
export default {
  template: `
    <article class="card" :data-video="video.id" data-card :aria-label="video.title" tabindex="-1">
      <a class="picture" :href="video.href" tabindex="-1" aria-hidden="true" :style="{ background: video.ground }">
        <span class="letters">{{ video.letters }}</span>
        <img v-if="video.thumbnail && !broken" :src="video.thumbnail" alt="" loading="lazy" @error="broken = true" />
        <span v-if="video.length" class="badge length">{{ video.length }}</span>
        <span v-if="video.watched" class="badge watched">Watched</span>
      </a>
      <div class="inside">
        <div class="heading">
          <h2 dir="auto"><a class="title" :href="video.href">{{ video.title }}</a></h2>
          <span v-if="video.points !== null" class="points" :title="video.points_of + ', from 0 to 100'">
            <span class="unseen">{{ video.points_of }}: </span>{{ video.points }}<span class="unseen"> of 100</span>
          </span>
        </div>
        <p class="by"><bdi class="channel">{{ video.channel }}</bdi><span v-if="video.age"> · {{ video.age }}</span></p>
        <slot />
        <div class="tools">
          <button type="button" class="quiet" data-key="w" data-do="why" :aria-expanded="open ? 'true' : 'false'"
            :aria-controls="'why-' + video.id" @click="open = !open">
            <i class="material-icons" aria-hidden="true">{{ open ? 'expand_less' : 'help_outline' }}</i>Why this
          </button>
          <span class="spring"></span>
          <button type="button" class="quiet" data-key="x" data-do="hide-video" :title="hideVideo + ' (X)'"
            @click="$emit('hide', { what: 'video' })">
            <i class="material-icons" aria-hidden="true">{{ video.hidden.video ? 'visibility' : 'visibility_off' }}</i>
            <span class="unseen">{{ hideVideo }}</span>
          </button>
          <button v-if="video.channel" type="button" class="quiet" data-key="c" data-do="hide-channel"
            :title="hideChannel + ' (C)'" @click="$emit('hide', { what: 'channel' })">
            <i class="material-icons" aria-hidden="true">{{ video.hidden.channel ? 'undo' : 'block' }}</i>Channel
            <span class="unseen">{{ video.channel }}: {{ video.hidden.channel ? 'show again' : 'hide' }}</span>
          </button>
        </div>
        <div v-if="open" :id="'why-' + video.id" class="why">
          <ul v-if="video.reasons.length"><li v-for="reason in video.reasons" dir="auto">{{ reason }}</li></ul>
          <dl class="meters">
            <template v-for="meter in video.meters">
              <dt>{{ meter.name }}</dt>
              <dd><span class="bar" :class="meter.kind"><span :style="{ width: meter.points + '%' }"></span></span>
                <b>{{ meter.points }}</b></dd>
            </template>
          </dl>
          <table v-if="video.terms.length">
            <caption>What the score is made of, in points of 100</caption>
            <tr v-for="term in video.terms"><th scope="row">{{ term.name }}</th><td>{{ term.points }}</td></tr>
          </table>
          <p v-if="video.explored" class="explored">{{ video.explored }}</p>
        </div>
      </div>
    </article>`,
  props: { video: Object },
  data() {
    return { open: false, broken: false };
  },
  computed: {
    hideVideo() {
      return this.video.hidden.video ? "Show this video again" : "Hide this video";
    },
    hideChannel() {
      return this.video.hidden.channel ? "Show this channel again" : "Hide this channel";
    },
  },
};
