import { createApp } from 'vue'
import App from './App.vue'
import { i18n, locale } from './i18n'
import { router } from './router'
import { installUi } from './ui'
import './styles.css'

document.documentElement.lang = locale.value
const app = createApp(App)
installUi(app)
app.use(i18n).use(router).mount('#app')
